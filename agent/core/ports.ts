/**
 * What the agent needs from the outside, one interface per port. Each has a real one under `io/`
 * and a fake under `test/world/`, and both pass the same contract in `test/contracts/`.
 */
import type { Duplex } from 'node:stream'
import type { Mib } from '#shared/units.ts'

/** libvirt's two drivers: virtual machines and containers. */
export type Driver = 'qemu' | 'lxc'

export type DomainState = 'running' | 'paused' | 'stopping' | 'stopped' | 'crashed'

/** One libvirt domain, ours or foreign. */
export type Domain = {
  readonly uuid: string
  readonly name: string
  readonly driver: Driver
  readonly state: DomainState
  /** libvirt's word for why it is in this state: booted, user, migrated, crashed, destroyed … */
  readonly reason: string
  /** Text of our own metadata element, as it was given at creation; undefined: not ours. */
  readonly metadata: string | undefined
  readonly memoryMib: Mib
  readonly vcpus: number
}

/** What happened to a domain; an invitation to look again, never an instruction. */
export type DomainEvent = {
  readonly uuid: string
  readonly name: string
  readonly driver: Driver
  /** started, stopped, suspended, resumed, crashed, shutdown, defined, undefined, device … */
  readonly event: string
  /** libvirt's detail in words: booted, destroyed, crashed, shutdown by the guest … */
  readonly detail: string
}

/** How busy one domain has been, counters since its start. */
export type DomainStats = {
  readonly uuid: string
  readonly cpuNs: number
  readonly balloonMib: Mib
  readonly netReceivedBytes: number
  readonly netSentBytes: number
  readonly diskReadBytes: number
  readonly diskWrittenBytes: number
}

/**
 * Runs domains. All our domains are transient: what does not run does not exist in libvirt, and the
 * order is the only memory. Every call has a deadline of its own; when the connection dies, every
 * waiter gets Fault `closed`, and the next call connects again. Codes: `hypervisor` (refused),
 * `not-found` (no such domain), `conflict` (exists already), `deadline`, `closed`, `unavailable`.
 */
export interface Hypervisor extends AsyncDisposable {
  /** All domains of both drivers, foreign ones too. */
  domains(): Promise<readonly Domain[]>
  /** Starts a transient domain from its XML. */
  create(driver: Driver, xml: string): Promise<void>
  /** Ends a domain at once, as by pulling its plug. */
  destroy(domain: DomainKey): Promise<void>
  /** Asks it to shut down (ACPI, or signal to a container's init); returns before it has. */
  shutdown(domain: DomainKey): Promise<void>
  suspend(domain: DomainKey): Promise<void>
  resume(domain: DomainKey): Promise<void>
  stats(): Promise<readonly DomainStats[]>
  /** Attaches to the serial console. The stream ends when the domain does. */
  console(domain: DomainKey): Promise<Duplex>
  /**
   * Events of both drivers until the signal aborts. Survives reconnects: after one it yields
   * `{ event: 'reconnected' }` with empty names, since events may have been missed.
   */
  events(signal: AbortSignal): AsyncIterable<DomainEvent>
  /** libvirt's version and, per driver, whether it can be used and as which domain types. */
  abilities(): Promise<HypervisorAbilities>
}

export type DomainKey = { readonly driver: Driver; readonly uuid: string }

export type HypervisorAbilities = {
  /** Such as 9.0.0. */
  readonly libvirtVersion: string
  readonly qemu: boolean
  readonly lxc: boolean
  /** The emulator's path, for domain XML. */
  readonly emulator: string | undefined
  /** Machine types that are offered, newest q35 first. */
  readonly machine: string | undefined
}
