/** What a controller asks bootds, and what they answer: nothing of it changes a host. */
import Type from 'typebox'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'
import type { Ms } from '../units.ts'
import { FenceDeviceState } from './fence.ts'

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = (maximum = Number.MAX_SAFE_INTEGER) => Type.Integer({ minimum: 0, maximum })

/** So many lines of a log are told at once, at most. */
export const hostLogLinesMax = 5_000
/** And so many bytes of them. Unit: bytes. */
export const hostLogPageBytesMax = 512 * 1024

/** Which boots of a host bootd has the log of. */
export const HostLogsQuestion = Strict({
  ask: Type.Literal('host-logs'),
  /** UUID of the host. */
  host: Text(64)
})
/** A part of the log of one boot. */
export const HostLogQuestion = Strict({
  ask: Type.Literal('host-log'),
  host: Text(64),
  boot: Text(64),
  /** Only what lies behind this place; left out: the last lines. */
  after: Type.Optional(Count()),
  /** Only what came since then, RFC 3339. */
  since: Type.Optional(Text(40)),
  linesMax: Type.Integer({ minimum: 1, maximum: hostLogLinesMax })
})

/** Has bootd look for baseboard controllers; it answers at once, with what was found before. */
export const BmcScanQuestion = Strict({
  ask: Type.Literal('bmc-scan'),
  /** Such as 10.0.5.0/24. */
  range: Text(32)
})
/** Which baseboard controllers bootd has found. */
export const BmcsQuestion = Strict({ ask: Type.Literal('bmcs') })

/** Has bootd look at the fence devices of a host now; it answers within `fenceLookMsMax`. */
export const FenceLookQuestion = Strict({
  ask: Type.Literal('fence-look'),
  /** UUID of the host. */
  host: Text(64)
})

/** What may be asked. */
export const BootdAsk = Type.Union([
  FenceLookQuestion,
  HostLogsQuestion,
  HostLogQuestion,
  BmcScanQuestion,
  BmcsQuestion
])
/** A question to bootd; answered by one `answer` with the same number, whose bytes are JSON. */
export const BootdQuestion = Strict({
  type: Type.Literal('bootd-question'),
  number: Count(),
  question: BootdAsk
})

/**
 * By this a bootd says that it answers questions: an answer that nobody waits for, since nobody
 * asks by its number. Controllers of older builds drop it; a message or a field that they do not
 * know they would refuse whole, and so would a bootd of an older build a question.
 */
export const answersQuestions = {
  type: 'answer' as const,
  ...{ number: 0, message: 'answers questions', bytes: new Uint8Array() }
}

/** The boots of which there is a log, the oldest first. */
export const HostLogs = Strict({
  boots: Type.Array(
    Strict({
      boot: Text(64),
      /** When the first and the last of it came, RFC 3339. */
      begunAt: Text(40),
      lastAt: Text(40),
      bytes: Count()
    }),
    { maxItems: 64 }
  )
})
/** A part of a log. */
export const HostLogPage = Strict({
  items: Type.Array(
    Strict({
      /** When bootd got it, RFC 3339. */
      received: Text(40),
      source: Words(['journal', 'kernel', 'bootd'], { description: 'Who has said it.' }),
      /** When it was said, as the host says. */
      at: Type.Optional(Text(40)),
      text: Text(4_096)
    }),
    { maxItems: hostLogLinesMax }
  ),
  /** The place behind it. */
  next: Count(),
  /** Whether there are lines before these that were asked for and not told, or kept no longer. */
  isCut: Type.Boolean()
})
/** No bootd remembers more baseboard controllers. */
export const bmcsMax = 4_096
/** A baseboard controller that has answered. */
export const BmcFound = Strict({
  address: Text(64),
  /** As the kernel knows it; left out: it is behind a router. */
  mac: Type.Optional(Text(17)),
  asf: Type.Boolean(),
  ipmi: Type.Boolean(),
  /** Whether it speaks IPMI 2.0, which its serial line needs. */
  ipmi2: Type.Boolean(),
  /** Version of Redfish. */
  redfish: Type.Optional(Text(16)),
  /** What its Redfish service calls it. */
  product: Type.Optional(Text(128)),
  /** When it has answered last, RFC 3339. */
  at: Text(40)
})
/** What bootd has found, and how far it is with looking. */
export const BmcsFound = Strict({
  items: Type.Array(BmcFound, { maxItems: bmcsMax }),
  scan: Type.Optional(
    Strict({
      range: Text(32),
      begunAt: Text(40),
      /** Addresses that were asked, of all. */
      asked: Count(),
      of: Count(),
      isOver: Type.Boolean(),
      /** Why it ended early. */
      problem: Type.Optional(Text(512))
    })
  )
})
/** So long bootd waits for devices at which it is to look. Unit: ms. */
export const fenceLookMsMax: Ms = 4_000
/** What came of looking at the fence devices of a host. */
export const FenceLook = Strict({
  epoch: Count(),
  devices: Type.Array(
    Strict({
      ...FenceDeviceState.properties,
      /** When it was asked last, RFC 3339; left out: not yet. */
      askedAt: Type.Optional(Text(40)),
      /** Whether it was asked now, and has answered or failed to. */
      isNow: Type.Boolean()
    }),
    { maxItems: 16 }
  )
})
export type FenceLook = DeepReadonly<Type.Static<typeof FenceLook>>
export type BmcFound = DeepReadonly<Type.Static<typeof BmcFound>>
export type BmcsFound = DeepReadonly<Type.Static<typeof BmcsFound>>
export type BootdAsk = DeepReadonly<Type.Static<typeof BootdAsk>>
export type BootdQuestion = DeepReadonly<Type.Static<typeof BootdQuestion>>
export type HostLogQuestion = DeepReadonly<Type.Static<typeof HostLogQuestion>>
export type HostLogs = DeepReadonly<Type.Static<typeof HostLogs>>
export type HostLogPage = DeepReadonly<Type.Static<typeof HostLogPage>>
