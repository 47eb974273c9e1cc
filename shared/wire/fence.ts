/**
 * What bootd is told of fences, and what it says of them. Both are level-triggered: all hosts whose
 * devices it should watch or use, never "fence host 3 now", and for each how it stands.
 */
import Type from 'typebox'
import { FenceLevels, fenceLevelsMax, SshCourtesy } from '../model/fence.ts'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'

/** No list of either kind is longer. */
export const fenceHostsMax = 2_000
/** A story has so many sentences at most, the latest ones. */
export const storySentencesMax = 24
/** No sentence of a story is longer. Unit: characters. */
export const storyCharsMax = 512

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Epoch = () => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

/** Programs are told secrets a line each: one with a line break could say something else. */
const SecretValue = Type.String({ pattern: '^[^\\x00-\\x1f\\x7f]+$', maxLength: 1024 })

/** Every wish; `watch`: only see whether its devices answer. */
export const fenceWants = ['watch', 'off', 'on'] as const
/** What is wanted of a host's power. */
export type FenceWant = (typeof fenceWants)[number]

/** What a device may read. */
export const powers = ['on', 'off', 'unknown'] as const
/** What a device reads; `unknown`: between on and off, or it does not say. */
export type Power = (typeof powers)[number]

/** What is wanted of one host. */
export const FenceOrder = Strict({
  /** UUID of the host. */
  host: Text(64),
  name: Text(63),
  levels: FenceLevels,
  /** To bring it off, levels are tried from this one on, from 1; left out: from the first. */
  from: Type.Optional(Type.Integer({ minimum: 1, maximum: fenceLevelsMax })),
  /** How the host itself is asked to end, which proves nothing. */
  courtesy: Type.Optional(SshCourtesy),
  /**
   * To bring it on: nothing of it is to be cut, so that outlets that are off are switched on beside
   * those that are on; left out: all must be off first.
   */
  isInUse: Type.Optional(Type.Literal(true)),
  /** Secrets of the devices, by name. They are nowhere else. */
  secrets: Type.Record(Type.String({ maxLength: 63 }), SecretValue, { maxProperties: 64 }),
  want: Words(fenceWants, { description: 'What is wanted of its power.' }),
  /** Id of this fence; another id is another fence, also of the same host. */
  fence: Type.Optional(Text(64)),
  epoch: Epoch()
})
export type FenceOrder = DeepReadonly<Type.Static<typeof FenceOrder>>

/** How one device of a host was found when it was last asked. */
export const FenceDeviceState = Strict({
  /** Counts from 1, as levels are tried. */
  level: Count(),
  name: Text(1024),
  power: Words(powers, { description: 'What it read last.' }),
  /** Whether it gave an answer that can be used. Left out: it was not asked yet. */
  reachable: Type.Optional(Type.Boolean()),
  /** Since when it is so, RFC 3339; left out: it was not asked yet. */
  since: Type.Optional(Text(40)),
  /** Why it is not reachable, or which of its outlets are not on beside those that are. */
  because: Type.Optional(Text(storyCharsMax))
})
export type FenceDeviceState = DeepReadonly<Type.Static<typeof FenceDeviceState>>

/**
 * Where a fence stands. `idle`: none is wanted; `working`: a level is tried; `waiting`: all were
 * tried in vain and will be again; `proven`: the devices have read twice what is wanted.
 */
export const fencePhases = ['idle', 'working', 'waiting', 'proven'] as const

/** What was found. `unknown`: no proof, whatever the devices have said. */
export const fenceVerdicts = ['off-confirmed', 'on-confirmed', 'unknown'] as const
/** What was found of a fence. */
export type FenceVerdict = (typeof fenceVerdicts)[number]

/** How a host stands that bootd was told of. */
export const FenceState = Strict({
  host: Text(64),
  name: Text(63),
  want: Words(fenceWants, { description: 'What is wanted of its power.' }),
  fence: Type.Optional(Text(64)),
  /** Epoch of the order that wants it. */
  epoch: Epoch(),
  phase: Words(fencePhases, { description: 'Where it stands.' }),
  /** Since when, RFC 3339. */
  since: Text(40),
  /** How often all levels were begun. */
  attempt: Count(),
  /** The level that is tried, from 1; 0: none. */
  level: Count(),
  /** Left out as long as the first attempt has not ended. */
  verdict: Type.Optional(
    Strict({
      verdict: Words(fenceVerdicts, { description: 'What was found.' }),
      fence: Type.Optional(Text(64)),
      /** Epoch of the order by which it was found. */
      epoch: Epoch(),
      /** When, RFC 3339. */
      at: Text(40),
      /** How long it took from the order to here. Unit: ms. */
      tookMs: Count(),
      because: Text(storyCharsMax)
    })
  ),
  /** A sentence for each thing that was tried, the oldest first. */
  story: Type.Array(Text(storyCharsMax), { maxItems: storySentencesMax }),
  /** What came of asking the host itself. */
  courtesy: Type.Optional(Text(storyCharsMax)),
  devices: Type.Array(FenceDeviceState, { maxItems: 16 })
})
export type FenceState = DeepReadonly<Type.Static<typeof FenceState>>
