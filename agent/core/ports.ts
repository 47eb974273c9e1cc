/**
 * What the agent needs from the outside, one interface per port. Each has a real one under `io/`
 * and a fake under `test/world/`, and both pass the same contract in `test/contracts/`.
 */
import type { Duplex } from 'node:stream'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { MovePace } from '#shared/model/instance.ts'
import type { Mib, Ms } from '#shared/units.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import type {
  OrderImage,
  OrderNetwork,
  OrderPool,
  OrderPort,
  OrderVolume
} from '#shared/wire/order.ts'
import type { Counters } from './use.ts'

/** libvirt's two drivers: virtual machines and containers. */
export type Driver = 'qemu' | 'lxc'

/** libvirt's states in our words; what waits for a device counts as `running`. */
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
  /** Whether a guest agent is there; left out: it is not, or its kind has none. */
  readonly guestAgent?: boolean
  /** PCI addresses of the devices of the host that it has for itself; left out: none. */
  readonly devices?: readonly string[]
  /** The one NUMA cell that its memory comes from; left out: it is not bound to one. */
  readonly cell?: number
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
 * `not-found` (no such domain), `conflict` (exists already), `locked` (what it would write to is in
 * use elsewhere), `deadline`, `closed`, `unavailable`.
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
  /** Fault `conflict`: it can never go on from where it stands, only be started anew. */
  resume(domain: DomainKey): Promise<void>
  /**
   * Sends a running VM to another host's libvirt, and returns once it runs there and no longer
   * here. It fails with `hypervisor` when it could not be sent, and goes on here then; or, once it
   * crosses, when the two lost each other: then both have a part of it (`postcopy failed`), until
   * it is sent with `resume`. That fails with `conflict` where only libvirt has lost sight of it:
   * its emulator sends it still, by itself.
   */
  migrate(domain: DomainKey, way: MigrationWay): Promise<void>
  /**
   * Has what is being sent, with `postCopy`, go on there at once; the rest of its memory follows.
   * From then on it cannot be called back. `hypervisor`: nothing sends it, or not in that way.
   */
  startPostCopy(domain: DomainKey): Promise<void>
  /** How long what is being sent may stand still at the end. */
  allowStandstill(domain: DomainKey, standstillMs: Ms): Promise<void>
  /** Calls back what is being sent; `hypervisor`: nothing is. */
  abortMigration(domain: DomainKey): Promise<void>
  /** How far the sending of a VM is; undefined: it is not sent from here. */
  transfer(domain: DomainKey): Promise<Transfer | undefined>
  /** What the sending of a VM to this host has cost; undefined: it was started here. */
  arrival(domain: DomainKey): Promise<Arrival | undefined>
  /**
   * Of the domains that run. `processors`: only processor time and what went over interfaces, which
   * no emulator need be asked for; the rest is 0.
   */
  stats(which?: 'all' | 'processors'): Promise<readonly DomainStats[]>
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

/** How a VM gets to another host. */
export type MigrationWay = {
  /** libvirt's URI of the target, as this host's libvirt reaches it. */
  readonly uri: string
  /** Address that the memory is sent to. */
  readonly address: string
  /** Folders of the agents' own files; what is below the one here is below the other there. */
  readonly folders: { readonly here: string; readonly there: string }
  /** Left out: as the hypervisor does by itself. */
  readonly pace?: MovePace
  /** How long it may stand still at the end, to begin with; left out: as `pace` says. */
  readonly standstillMs?: Ms
  /** Whether it may go on there before all of its memory has come, should that be asked for. */
  readonly postCopy?: boolean
  /** Sends what is left of one whose two parts have lost each other. */
  readonly resume?: boolean
}

/** How far the sending of a VM is. */
export type Transfer = {
  readonly totalMib: Mib
  readonly remainingMib: Mib
  /** What is sent in a second. Unit: MiB. */
  readonly mibPerSecond: number
  /** What the VM writes in a second, and has to be sent again. Unit: MiB. */
  readonly writtenMibPerSecond: number
  /** 1 while all is sent for the first time; then what was written meanwhile, and so on. */
  readonly round: number
  /** As long as it may stand still now; left out: nobody has said. Unit: ms. */
  readonly standstillMs?: Ms
}

/** What the sending of a VM has cost it. */
export type Arrival = {
  /** How long it stood still; undefined: libvirt has not said. Unit: ms. */
  readonly downtimeMs: number | undefined
}

/** Which domain a call means; the driver says on which of libvirt's connections it is. */
export type DomainKey = { readonly driver: Driver; readonly uuid: string }

/** What libvirt says that it can run here; a driver that cannot be used is false. */
export type HypervisorAbilities = {
  /** Such as 9.0.0. */
  readonly libvirtVersion: string
  readonly qemu: boolean
  readonly lxc: boolean
  /** The emulator's, such as 7.2.22; undefined: libvirt has not said. */
  readonly qemuVersion: string | undefined
  /** The emulator's path, for domain XML. */
  readonly emulator: string | undefined
  /** Machine types that are offered, newest q35 first. */
  readonly machine: string | undefined
  /** The user as whom emulators run; undefined: libvirt has not said. */
  readonly emulatorUid: number | undefined
}

/** A volume as its pool holds it. */
export type StoredVolume = {
  readonly id: string
  readonly pool: string
  readonly format: OrderVolume['format']
  /** Where it is: a file, or a directory for a tree. */
  readonly path: string
  readonly sizeMib: Mib
  readonly usedMib: Mib
}

/** A pool as its host finds it, full or not to be used. */
export type StoredPool = {
  readonly name: string
  readonly path: string
  readonly capacityMib: Mib
  readonly freeMib: Mib
  /** Why it cannot be used; undefined when it can. */
  readonly failure: string | undefined
}

/**
 * Keeps volumes and images. Whatever it makes appears whole or not at all: after a crash at any
 * moment a volume or image is there or it is not. All calls are safe to repeat. Codes: `storage`
 * (with the cause), `not-found`, `capacity`, `corrupt` (hash differs), `unavailable`, `aborted`.
 */
export interface StorageDriver {
  /** Makes a pool usable (its folder) and says how full it is. */
  openPool(pool: OrderPool): Promise<StoredPool>
  volumes(pool: OrderPool): Promise<readonly StoredVolume[]>
  /** Creates a volume, empty or as a copy of an image that is here; grows one that is smaller. */
  createVolume(
    volume: OrderVolume,
    options: { readonly pool: OrderPool; readonly image: OrderImage | undefined },
    signal: AbortSignal
  ): Promise<StoredVolume>
  removeVolume(volume: OrderVolume, pool: OrderPool): Promise<void>
  /** Ids of the images that are here, whole and verified. */
  images(): Promise<readonly string[]>
  /** Fetches an image once, checks its size and SHA-256, keeps it. */
  fetchImage(image: OrderImage, signal: AbortSignal): Promise<void>
  /** Removes images that are not among these and that no volume is backed by. */
  keepOnlyImages(ids: readonly string[]): Promise<void>
  /** Writes the cloud-init seed of an instance and says where: an ISO for a VM. Mode 0600. */
  writeSeed(instanceId: string, files: ReadonlyMap<string, string>): Promise<string>
  /** Puts files into a container's tree, relative paths without `..`, mode 0600. */
  writeTreeFiles(volume: StoredVolume, files: ReadonlyMap<string, string>): Promise<void>
  removeSeed(instanceId: string): Promise<void>
}

/** A network as it stands on the host. */
export type StandingNetwork = {
  readonly id: string
  readonly bridge: string
  /** Why it cannot be used; undefined when it can. */
  readonly failure: string | undefined
}

/** A port together with the name under which DHCP and DNS know its instance. */
export type NamedPort = OrderPort & {
  readonly name: string
  /** Its instance calls the host when it is ready. */
  readonly phonesHome?: boolean
}

/** A port of an instance that has just started, as the switches shall know it. */
export type AnnouncedPort = Pick<OrderPort, 'id' | 'networkId' | 'mac' | 'address'>

/**
 * Keeps networks: a bridge each, DHCP and DNS on it, filter rules. All calls are safe to repeat,
 * and what is already as it should be is not touched. Codes: `network`, with the cause.
 */
export interface NetworkDriver extends AsyncDisposable {
  /**
   * Brings exactly these networks and ports about: bridges, addresses, DHCP leases, DNS names and
   * filter rules; removes ours that are not among them. One that fails does not stop the others.
   */
  apply(
    networks: readonly OrderNetwork[],
    ports: readonly NamedPort[]
  ): Promise<readonly StandingNetwork[]>
  /**
   * Tells the switches behind the uplinks that these ports are here now, if they are among those
   * that were applied last. It never fails, and nothing is to be waited for.
   */
  announce(ports: readonly AnnouncedPort[]): void
  /** Name of the bridge of a network. */
  bridgeOf(networkId: string): string
  /** Name of the host's side of a port. */
  interfaceOf(portId: string): string
}

/** Looks at the machine. */
export interface Hardware {
  facts(): Promise<HostFacts>
  memoryFreeMib(): Promise<Mib>
  /** How busy it has been since it was switched on; undefined: it does not say. */
  counters(): Promise<Counters | undefined>
}

/** A machine's watchdog, as it is found. */
export type WatchdogFacts = {
  /** `software`: the kernel's own, which dies with it and so counts as none. */
  readonly kind: 'hardware' | 'software' | 'none'
  /** What it calls itself; empty: there is none. */
  readonly identity: string
  /** How long after it was last pet it resets the machine. */
  readonly timeoutMs: number
  /** Whether nobody can stop it once it runs. */
  readonly nowayout: boolean
  /** Whether it counts down, whoever has started it; true also where that cannot be known. */
  readonly counts: boolean
  /** Whether a keeper holds it open, and outlives also those who end all that the agent started. */
  readonly kept: 'no' | 'beside' | 'apart'
  /** Why it cannot be used; empty: it can. */
  readonly because: string
}

/** How much time is left for something; asked when the clock was read that it is added to. */
export type TimeLeft = () => Ms

/**
 * What resets this machine unless it is pet in time. Once it was opened it stays so, whatever
 * becomes of this program: the kernel pets one that is closed once more.
 */
export interface Watchdog extends AsyncDisposable {
  look(): Promise<WatchdogFacts>
  /**
   * Makes it impossible to stop and starts it, within this time or not at all; one that an earlier
   * run has opened is taken over. Fault `unavailable`: it cannot.
   */
  open(within: TimeLeft): Promise<WatchdogFacts>
  /** Pets it within this time, or not at all; throws where it is not open any more. */
  pet(within: TimeLeft): void
}

/**
 * The agent's end of the mesh: the controller dials, the agent answers whoever of the admitted
 * controllers last spoke validly with the highest epoch. Nothing waits for the network.
 */
export interface AgentMesh extends AsyncDisposable {
  /**
   * Hands a message over for the controller. A report, heartbeat or refusal replaces an unsent
   * older one and never fails; while there is no controller the latest report is kept, the others
   * are dropped. Other messages wait in a bounded queue: Fault `unavailable` when that is full or
   * there is no controller. When another controller takes over, they are dropped.
   */
  send(message: ToController): void
  /** What the controller says. An order or heartbeat replaces an unread older one. One reader. */
  messages(signal: AbortSignal): AsyncIterable<ToAgent>
  /** How often what happened: sent, received, refused … */
  counters(): Readonly<Record<string, number>>
}
