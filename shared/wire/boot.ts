/**
 * What bootd is told of how machines boot, and what it says of those that do. Both are
 * level-triggered: the whole plan, and how each machine stands that has booted here. bootd keeps
 * the last plan, and goes by it as long as no controller can be reached: the cloud that holds the
 * controllers may be what boots.
 */
import Type from 'typebox'
import { HostImageManifest, HostImageVersion } from '../model/host-image.ts'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'
import { JoinTokenContent } from './join-token.ts'

/** No plan has more machines, and no report. */
export const bootMachinesMax = 12_000
/** How the wish begins that a machine boots a version, which follows. */
export const versionWishPrefix = 'image '
/** A host that did not join so often in a row gets the version before. */
export const bootFailuresMax = 3

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Epoch = () => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Mac = () => Type.String({ pattern: '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$' })
const Macs = () => Type.Array(Mac(), { maxItems: 32 })

/**
 * What a machine is given. `host`: the host image, whose agent joins; `rescue`: the same with a
 * shell and no agent; `disk`: its own disk; `nothing`: it waits, and asks again.
 */
export const bootProfiles = ['host', 'rescue', 'disk', 'nothing'] as const
/** One of them. */
export type BootProfile = (typeof bootProfiles)[number]

/** How one machine boots; it is known by its UUID, else by its serial number, else by a MAC. */
export const BootMachine = Strict({
  /** Name of the host. */
  name: Text(63),
  /** SMBIOS UUID, lower case. */
  uuid: Type.Optional(Text(64)),
  serial: Type.Optional(Text(128)),
  macs: Macs(),
  profile: Words(bootProfiles, { description: 'What it is given.' }),
  version: Type.Optional(HostImageVersion),
  /** Given instead once it has failed `bootFailuresMax` times in a row with `version`. */
  fallback: Type.Optional(HostImageVersion),
  /** Names what is wished: failures of another one do not count. */
  wish: Text(64),
  /** What its agent shows at the door: a secret that is good for this host only. */
  secret: Type.Optional(Text(128)),
  /** More of the kernel's command line, such as console=ttyS1,115200. */
  kernelOptions: Type.Optional(Text(512)),
  /** Where it stands: who serves its image to others does so first to those beside it. */
  rack: Type.Optional(Text(128))
})
export type BootMachine = DeepReadonly<Type.Static<typeof BootMachine>>

const { secret: _, ...doorFields } = JoinTokenContent.properties
/** All of a join token but its secret. */
export const BootDoor = Strict(doorFields)
export type BootDoor = DeepReadonly<Type.Static<typeof BootDoor>>

/** All that bootd shall hand out. */
export const BootPlan = Strict({
  type: Type.Literal('boot-plan'),
  /** Of the controller that says so. */
  epoch: Epoch(),
  machines: Type.Array(BootMachine, { maxItems: bootMachinesMax }),
  /** Where and whom agents ask to be let in; with a secret that makes a join token. */
  door: Type.Optional(BootDoor),
  /** Of machines that nobody knows; without a secret that is good for them they only ask. */
  unknown: Strict({
    profile: Words(bootProfiles, { description: 'What an unknown machine is given.' }),
    version: Type.Optional(HostImageVersion),
    secret: Type.Optional(Text(128)),
    kernelOptions: Type.Optional(Text(512))
  }),
  /** Versions that bootd shall have and keep; where to fetch those that it lacks. */
  images: Type.Array(
    Strict({ version: HostImageVersion, from: Type.Array(Text(), { maxItems: 8 }) }),
    {
      maxItems: 64
    }
  ),
  /** What bootds show each other when one fetches a version from another. */
  peerToken: Type.Optional(Text(128)),
  /** Left out: hosts do not serve their image to each other. */
  peers: Type.Optional(
    Strict({
      /** Of it the key of each host is made that serves. */
      key: Text(128)
    })
  ),
  /** Public key by which images must be signed, base64 as signify writes it; left out: any. */
  imageKey: Type.Optional(Text(128)),
  /** Keys with which operators may log in to booted hosts. */
  sshKeys: Type.Array(Text(1_024), { maxItems: 64 }),
  /** A machine that has not joined after so long has failed to boot. Unit: s. */
  joinWithinS: Type.Integer({ minimum: 30, maximum: 7_200 })
})
export type BootPlan = DeepReadonly<Type.Static<typeof BootPlan>>

/**
 * How far a machine has come. `script`: it was told what to boot; `kernel`: it has fetched that;
 * `initramfs`: our first stage runs; `image`: it fetches the root; `verified`: that is what was
 * signed; `system`: it runs; `agent`: its agent has asked how to join; `joined`; `waiting`: it is
 * given nothing yet; `rescue`: the shell waits there; `failed`.
 */
export const bootStages = [
  ...['dhcp', 'script', 'kernel', 'initramfs', 'image', 'verified', 'system', 'agent', 'joined'],
  ...['waiting', 'rescue', 'failed']
] as const
/** One of them. */
export type BootStage = (typeof bootStages)[number]

/** One boot of one machine: the last one. */
export const BootState = Strict({
  /** Names this boot. */
  boot: Text(64),
  uuid: Type.Optional(Text(64)),
  serial: Type.Optional(Text(128)),
  macs: Macs(),
  /** Name of the host, where it is known. */
  name: Type.Optional(Text(63)),
  /** Address that it had. */
  address: Type.Optional(Text(64)),
  /** How its firmware has asked: bios, uefi, http; its architecture. */
  firmware: Type.Optional(Text(32)),
  architecture: Type.Optional(Text(32)),
  profile: Words(bootProfiles, { description: 'What it was given.' }),
  version: Type.Optional(HostImageVersion),
  isFallback: Type.Boolean(),
  wish: Type.Optional(Text(64)),
  stage: Type.Enum([...bootStages]),
  /** Of the image that has been fetched, in stage `image`. Unit: percent. */
  percent: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  /** Why it failed or waits. */
  because: Type.Optional(Text(512)),
  /** Its host runs and waits for an operator to let it in, for as long as that takes. */
  isUnapproved: Type.Optional(Type.Boolean()),
  /** When each stage began, RFC 3339, in the order in which they came. */
  stages: Type.Array(Strict({ stage: Type.Enum([...bootStages]), at: Text(40) }), { maxItems: 24 }),
  /** How often in a row it did not join with this wish. */
  failures: Count(),
  /** TCP port at which it serves its image to others that boot. */
  serves: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  /** Who has shown its boot token last from where this machine is not, and was refused. */
  stolen: Type.Optional(
    Strict({
      from: Text(64),
      mac: Type.Optional(Mac()),
      /** Address of the machine itself at that time. */
      own: Type.Optional(Text(64)),
      at: Text(40)
    })
  )
})
export type BootState = DeepReadonly<Type.Static<typeof BootState>>

/** How bootd's boot service stands. */
export const BootReport = Strict({
  type: Type.Literal('boot-report'),
  /** Whether it serves boots at all, and as what. */
  mode: Words(['off', 'full', 'proxy'], { description: 'What it does about DHCP.' }),
  /** Where machines and other bootds fetch from, such as http://10.0.0.2:7480. */
  url: Type.Optional(Text()),
  /** Why it does not serve as it should. */
  problem: Type.Optional(Text(512)),
  /** Since when that is so, RFC 3339. */
  problemSince: Type.Optional(Text(40)),
  /** Other DHCP servers that answer on the boot network. */
  foreign: Type.Array(Strict({ address: Text(64), mac: Type.Optional(Mac()), since: Text(40) }), {
    maxItems: 16
  }),
  /** Versions that are whole and rightly signed, and those that are not, with why. */
  images: Type.Array(Strict({ manifest: HostImageManifest, problem: Type.Optional(Text(512)) }), {
    maxItems: 64
  }),
  boots: Type.Array(BootState, { maxItems: bootMachinesMax })
})
export type BootReport = DeepReadonly<Type.Static<typeof BootReport>>
