/**
 * What is said to the keeper of a lab: one JSON object a line, and for each one line back,
 * `{"ok":…}` with the answer or `{"fault":…}`. The same words are the power switch of the hosts,
 * for whoever fences them: `{"verb":"power","host":"h2","to":"off"}` answers
 * `{"ok":{"power":"off"}}` once no process of h2 is left, and does nothing where it is off;
 * without `to` it only reads the switch.
 */
import type { FaultCode } from '#shared/fault.ts'

/** Daemons of a host, in the order in which they start. */
export const daemonNames = [
  'virtlogd',
  'virtlockd',
  'libvirtd',
  'zookeeper',
  'bootd',
  'controller',
  'agent'
] as const
/** One of them. */
export type DaemonName = (typeof daemonNames)[number]

/** Kinds of traffic that can be cut by themselves. */
export const services = ['zookeeper', 'ensemble', 'agents', 'api'] as const
/** One of them. */
export type Service = (typeof services)[number]

/**
 * Manners of a baseboard controller: `slow` answers a second later, and switches after some more;
 * `lying` says that it has switched, and has not; `dead` is not heard any more.
 */
export const bmcManners = ['ok', 'slow', 'lying', 'dead'] as const
/** One of them. */
export type BmcManner = (typeof bmcManners)[number]

/** What a lab's hosts cannot say to each other. */
export type Cut =
  /** Nothing passes from one group to another, in both directions or only from earlier to later. */
  | { readonly groups: readonly (readonly string[])[]; readonly oneWay: boolean }
  /** Programs on these hosts cannot reach a service, wherever it is. */
  | { readonly hosts: readonly string[]; readonly from: Service; readonly oneWay: boolean }

/** How slow a host's links are. */
export type Slowness = { readonly delayMs: number; readonly loss: number }

/** One thing to do. */
export type Ask =
  | { readonly verb: 'status' }
  | {
      readonly verb: 'power'
      readonly host: string
      readonly to?: 'on' | 'off' | 'cycle'
      /** Its baseboard controller loses its power as well, until the host has it again. */
      readonly withBmc?: boolean
    }
  | { readonly verb: 'bmc'; readonly host: string; readonly manner: BmcManner }
  | { readonly verb: 'pause' | 'resume'; readonly host: string; readonly daemon?: DaemonName }
  | { readonly verb: 'start' | 'stop' | 'kill'; readonly host: string; readonly daemon: DaemonName }
  | { readonly verb: 'cut'; readonly cut: Cut }
  | { readonly verb: 'heal' }
  | ({ readonly verb: 'slow'; readonly host: string } & Slowness)
  | { readonly verb: 'clock'; readonly host: string; readonly byMs: number }
  | { readonly verb: 'down' }

/** What comes back. */
export type Reply =
  | { readonly ok: unknown }
  | {
      readonly fault: {
        readonly code: FaultCode
        readonly message: string
        readonly reasons: readonly string[]
        readonly next: readonly string[]
      }
    }

/** How a daemon is. */
export type DaemonStatus = {
  readonly name: DaemonName
  /** waiting: for what it needs, or for its next start after it ended. */
  readonly state: 'running' | 'paused' | 'waiting' | 'stopped'
  /** Process id as the host itself sees it. */
  readonly pid?: number
  /** How often it was started since the power came on. */
  readonly starts: number
  /** How it ended last: its exit code, 128 more than the signal for a signal. */
  readonly lastCode?: number
}

/** How a host is. */
export type HostStatus = {
  readonly name: string
  readonly address: string
  readonly power: 'on' | 'off'
  readonly isPaused: boolean
  readonly isCandidate: boolean
  /** Its first process, as the machine sees it; undefined: the power is off. */
  readonly pid?: number
  readonly bootId?: string
  readonly clockMs: number
  readonly slow?: Slowness
  /** Its baseboard controller, in a lab that has them. */
  readonly bmc?: {
    readonly address: string
    readonly manner: BmcManner
    readonly power: 'on' | 'off'
  }
  /** Its watchdog, in a lab that has them. */
  readonly watchdog?: {
    readonly timeoutMs: number
    /** Whether it counts down. */
    readonly isActive: boolean
    /** How often it has reset the host, and when last, by the wall clock. */
    readonly bites: number
    readonly bittenAt?: number
  }
  readonly daemons: readonly DaemonStatus[]
}

/** How a machine is that boots over the network. */
export type MachineStatus = {
  readonly name: string
  readonly firmware: 'bios' | 'uefi'
  readonly uuid: string
  readonly power: 'on' | 'off'
  readonly isPaused: boolean
  /** Its emulator; undefined: the power is off. */
  readonly pid?: number
  readonly bmc?: HostStatus['bmc']
}

/** How a lab is. */
export type LabStatus = {
  readonly tag: string
  /** Process that holds the switch's namespace. */
  readonly switchPid: number
  readonly hosts: readonly HostStatus[]
  /** Machines that boot over the network, in a lab that has them. */
  readonly machines?: readonly MachineStatus[]
  readonly cuts: readonly Cut[]
}
