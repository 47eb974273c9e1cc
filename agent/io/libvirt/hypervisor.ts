/**
 * The Hypervisor port over libvirt's own protocol: one link for each driver, one queue for each
 * reader of events.
 *
 * "All domains" must never be a part of them: who takes half a listing for the whole starts a
 * second copy of what is missing. So a listing fails when a driver cannot be reached, unless
 * libvirt itself says that this host does not have it, or nothing of it was ever there while the
 * other driver answers.
 */
import { machine } from 'node:os'
import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { type Log, silentLog } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type {
  Arrival,
  Domain,
  DomainEvent,
  DomainKey,
  DomainStats,
  Driver,
  Hypervisor,
  HypervisorAbilities,
  MigrationWay,
  Transfer
} from '../../core/ports.ts'
import { childOf, parseXml } from '../xml.ts'
import type { Connection, ConnectionLimits, RemoteEvent } from './connection.ts'
import { consoleForce, shutdownSignal } from './constants.ts'
import { signalInit } from './container-init.ts'
import type { Descriptions } from './description.ts'
import { toDomainEvent } from './domain-events.ts'
import { EventQueue, lookAgain } from './event-queue.ts'
import { Link, type Session } from './link.ts'
import { readArrival, readTransfer, sendDomain } from './migration.ts'
import type { RemoteDomain } from './procedures.ts'
import { isBeyondResuming, lockBehind } from './refusal.ts'
import { listDomains, readStats } from './survey.ts'
import { parseUuid } from './uuid.ts'

/** Where libvirt listens: one daemon for all drivers, or on newer systems one for each. */
export const defaultSocketPaths: Readonly<Record<Driver, readonly string[]>> = {
  qemu: ['/run/libvirt/libvirt-sock', '/run/libvirt/virtqemud-sock'],
  lxc: ['/run/libvirt/libvirt-sock', '/run/libvirt/virtlxcd-sock']
}

/** Starting may take long: a machine's memory is claimed, a container's root is mounted. */
const createMs = 60_000

/**
 * How a domain is asked to shut down. For a machine libvirt chooses, agent or ACPI. For a container
 * it must be told to send SIGTERM: left to choose (measured with 9.0), it looks for an initctl
 * pipe, finds none, and reports success without having done anything. And now and then it never
 * learns a container's init and refuses the wish for good: then the signal is sent from here.
 */
const shutdownFlags: Readonly<Record<Driver, number>> = { qemu: 0, lxc: shutdownSignal }

const drivers: readonly Driver[] = ['qemu', 'lxc']

/** Where libvirt listens, and within which bounds it is spoken to. */
export type LibvirtOptions = {
  readonly socketPaths?: Partial<Readonly<Record<Driver, readonly string[]>>>
  readonly limits?: Partial<ConnectionLimits>
  readonly log?: Log
  readonly clock?: Clock
}

/** Makes the port; it connects when it is first used. */
export const makeLibvirt = (options: LibvirtOptions = {}): Hypervisor => new Libvirt(options)

class Libvirt implements Hypervisor {
  readonly #links: Readonly<Record<Driver, Link>>
  readonly #log: Log
  readonly #readers = new Set<EventQueue>()
  #keepers: readonly Promise<void>[] = []
  #closed = false

  constructor(options: LibvirtOptions) {
    this.#log = options.log ?? silentLog
    const { socketPaths, ...rest } = options
    const makeLink = (driver: Driver): Link =>
      new Link({
        ...rest,
        driver,
        socketPaths: socketPaths?.[driver] ?? defaultSocketPaths[driver],
        onEvent: (event, descriptions) => this.#takeEvent(driver, event, descriptions),
        onReopened: () => this.#publish(lookAgain(driver, 'the connection was lost'))
      })
    this.#links = { qemu: makeLink('qemu'), lxc: makeLink('lxc') }
  }

  async domains(): Promise<readonly Domain[]> {
    return (await this.#ofEachDriver(listDomains)).flat()
  }

  async stats(which: 'all' | 'processors' = 'all'): Promise<readonly DomainStats[]> {
    return (await this.#ofEachDriver(survey => readStats(survey, which))).flat()
  }

  async create(driver: Driver, xml: string): Promise<void> {
    const { connection } = await this.#links[driver].session()
    const options = { deadlineMs: createMs, what: `start a ${driver} domain` }
    try {
      await connection.call('domainCreateXml', { xmlDesc: xml, flags: 0 }, options)
    } catch (thrown) {
      if (!isFault(thrown, 'hypervisor')) throw thrown
      const lock = lockBehind(thrown)
      if (lock !== undefined) throw new Fault('locked', `cannot start a ${driver} domain: ${lock}`)
      if (!(await existsAlready(connection, xml))) throw thrown
      throw new Fault('conflict', thrown.message, { cause: thrown })
    }
  }

  async destroy(key: DomainKey): Promise<void> {
    const what = `destroy ${key.driver} domain ${key.uuid}`
    // A host that is cut off has seconds for all of them: none waits behind calls that take long.
    const connection = await this.#links[key.driver].extraConnection()
    try {
      const dom = await lookUp(connection, key, what)
      await connection.call('domainDestroyFlags', { dom, flags: 0 }, { what })
    } finally {
      connection.close()
    }
  }

  async shutdown(key: DomainKey): Promise<void> {
    const flags = shutdownFlags[key.driver]
    await this.#onDomain(key, 'shut down', async (connection, dom, what) => {
      try {
        await connection.call('domainShutdownFlags', { dom, flags }, { what })
      } catch (thrown) {
        if (!isFault(thrown, 'hypervisor') || key.driver !== 'lxc' || !signalInit(dom)) throw thrown
        this.#log.info('container asked to shut down without libvirt', {
          domain: dom.name,
          because: sentence(thrown)
        })
      }
    })
  }

  async suspend(key: DomainKey): Promise<void> {
    await this.#onDomain(key, 'suspend', (connection, dom, what) =>
      connection.call('domainSuspend', { dom }, { what })
    )
  }

  async resume(key: DomainKey): Promise<void> {
    await this.#onDomain(key, 'resume', async (connection, dom, what) => {
      try {
        await connection.call('domainResume', { dom }, { what })
      } catch (thrown) {
        if (!isBeyondResuming(thrown)) throw thrown
        throw new Fault('conflict', `cannot ${what}: it can only be started anew`, {
          cause: thrown,
          reasons: [sentence(thrown)]
        })
      }
    })
  }

  async migrate(key: DomainKey, way: MigrationWay): Promise<void> {
    // It takes as long as it takes, and must not stand in the way of other calls.
    const connection = await this.#links[key.driver].extraConnection()
    try {
      const dom = await lookUp(connection, key, `send ${key.driver} domain ${key.uuid}`)
      await sendDomain(connection, dom, way)
    } finally {
      connection.close()
    }
  }

  async abortMigration(key: DomainKey): Promise<void> {
    await this.#onDomain(key, 'call back', (connection, dom, what) =>
      connection.call('domainAbortJob', { dom }, { what })
    )
  }

  async startPostCopy(key: DomainKey): Promise<void> {
    await this.#onDomain(key, 'let go on elsewhere', (connection, dom, what) =>
      connection.call('domainMigrateStartPostCopy', { dom, flags: 0 }, { what })
    )
  }

  async allowStandstill(key: DomainKey, standstillMs: Ms): Promise<void> {
    const downtime = BigInt(standstillMs)
    await this.#onDomain(key, 'allow to stand still', (connection, dom, what) =>
      connection.call('domainMigrateSetMaxDowntime', { dom, downtime, flags: 0 }, { what })
    )
  }

  async transfer(key: DomainKey): Promise<Transfer | undefined> {
    const { connection } = await this.#links[key.driver].session()
    return await readTransfer(connection, await lookUp(connection, key, 'see how far one is'))
  }

  async arrival(key: DomainKey): Promise<Arrival | undefined> {
    const { connection } = await this.#links[key.driver].session()
    return await readArrival(connection, await lookUp(connection, key, 'see what a move has cost'))
  }

  async console(key: DomainKey): Promise<Duplex> {
    const connection = await this.#links[key.driver].extraConnection()
    try {
      const what = `open the console of ${key.driver} domain ${key.uuid}`
      const dom = await lookUp(connection, key, what)
      // A console that someone left open would shut the next one out; lxc knows no such flag.
      const flags = key.driver === 'qemu' ? consoleForce : 0
      const args = { dom, devName: undefined, flags }
      const stream = await connection.stream('domainOpenConsole', args, { what })
      stream.once('close', () => connection.close())
      return stream
    } catch (thrown) {
      connection.close()
      throw thrown
    }
  }

  events(signal: AbortSignal): AsyncIterable<DomainEvent> {
    const onAbort = (): void => reader.end()
    const reader = new EventQueue({
      onEnd: () => {
        this.#readers.delete(reader)
        signal.removeEventListener('abort', onAbort)
      }
    })
    if (signal.aborted || this.#closed) {
      reader.end()
      return reader
    }
    signal.addEventListener('abort', onAbort)
    this.#readers.add(reader)
    if (this.#keepers.length === 0)
      this.#keepers = drivers.map(name => this.#links[name].keepOpen())
    return reader
  }

  async abilities(): Promise<HypervisorAbilities> {
    const found = await this.#ofEachDriver(async ({ driver, session: { connection } }) => {
      const { libVer } = await connection.call('connectGetLibVersion', undefined)
      const machines = driver === 'qemu' ? await findEmulator(connection) : undefined
      const uid = driver === 'qemu' ? await findEmulatorUid(connection) : undefined
      const emulator = driver === 'qemu' ? await findQemuVersion(connection) : undefined
      return { driver, version: formatVersion(libVer), machines, uid, emulator }
    })
    const qemu = found.find(({ driver }) => driver === 'qemu')
    return {
      libvirtVersion: found[0]?.version ?? '',
      qemu: qemu?.machines !== undefined,
      lxc: found.some(({ driver }) => driver === 'lxc'),
      qemuVersion: qemu?.emulator,
      emulator: qemu?.machines?.emulator,
      machine: qemu?.machines?.machine,
      emulatorUid: qemu?.uid
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const link of Object.values(this.#links)) link.close()
    for (const reader of [...this.#readers]) reader.end()
    await Promise.all(this.#keepers)
  }

  #takeEvent(driver: Driver, message: RemoteEvent, descriptions: Descriptions): void {
    const event = toDomainEvent(driver, message)
    descriptions.forget(event.uuid)
    this.#log.debug('domain event', { ...event })
    this.#publish(event)
  }

  #publish(event: DomainEvent): void {
    for (const reader of this.#readers) reader.push(event)
  }

  /** Asks both drivers, and leaves out one that this host does not have. */
  async #ofEachDriver<Value>(
    ask: (survey: { readonly driver: Driver; readonly session: Session }) => Promise<Value>
  ): Promise<readonly Value[]> {
    const opened = await Promise.allSettled(drivers.map(name => this.#links[name].session()))
    const reachable = drivers.flatMap((driver, at) => {
      const outcome = opened[at]!
      return outcome.status === 'fulfilled' ? [{ driver, session: outcome.value }] : []
    })
    for (const [at, outcome] of opened.entries()) {
      if (outcome.status === 'fulfilled') continue
      const { lacking } = this.#links[drivers[at]!]
      if (lacking === undefined || reachable.length === 0) throw outcome.reason
    }
    return await Promise.all(reachable.map(ask))
  }

  async #onDomain(
    key: DomainKey,
    verb: string,
    act: (connection: Connection, dom: RemoteDomain, what: string) => Promise<unknown>
  ): Promise<void> {
    const what = `${verb} ${key.driver} domain ${key.uuid}`
    const { connection } = await this.#links[key.driver].session()
    await act(connection, await lookUp(connection, key, what), what)
  }
}

async function lookUp(connection: Connection, key: DomainKey, what: string): Promise<RemoteDomain> {
  const uuid = parseUuid(key.uuid)
  return (await connection.call('domainLookupByUuid', { uuid }, { what })).dom
}

/** After a refusal: is there a domain already with the UUID or the name that this XML wants? */
async function existsAlready(connection: Connection, xml: string): Promise<boolean> {
  const looks: (() => Promise<unknown>)[] = []
  const { uuid, name } = readWishes(xml)
  if (uuid) looks.push(() => connection.call('domainLookupByUuid', { uuid: parseUuid(uuid) }))
  if (name) looks.push(() => connection.call('domainLookupByName', { name }))
  const outcomes = await Promise.allSettled(looks.map(async look => await look()))
  return outcomes.some(({ status }) => status === 'fulfilled')
}

function readWishes(xml: string): { readonly uuid?: string; readonly name?: string } {
  try {
    const domain = parseXml(xml, 'the description of a new domain')
    const uuid = childOf(domain, 'uuid')?.text.trim()
    const name = childOf(domain, 'name')?.text
    return { ...(uuid && { uuid }), ...(name && { name }) }
  } catch (thrown) {
    if (isFault(thrown, 'invalid')) return {}
    throw thrown
  }
}

/** libvirt packs its version into one number: major × 1,000,000 + minor × 1,000 + release. */
function formatVersion(packed: bigint): string {
  const version = Number(packed)
  return `${Math.floor(version / 1e6)}.${Math.floor(version / 1e3) % 1e3}.${version % 1e3}`
}

/** The user as whom libvirt runs emulators: the base label of its DAC driver is `+uid:+gid`. */
async function findEmulatorUid(connection: Connection): Promise<number | undefined> {
  try {
    const { capabilities } = await connection.call('connectGetCapabilities', undefined)
    const root = parseXml(capabilities, "libvirt's capabilities")
    const models = childOf(root, 'host')?.children.filter(({ name }) => name === 'secmodel') ?? []
    const dac = models.find(each => childOf(each, 'model')?.text === 'dac')
    const label = dac && childOf(dac, 'baselabel')?.text
    const uid = /^\+(\d+):/.exec(label ?? '')?.[1]
    return uid === undefined ? undefined : Number(uid)
  } catch (thrown) {
    if (isFault(thrown, 'hypervisor')) return undefined
    throw thrown
  }
}

/** The version of the emulator; undefined: libvirt has none, or does not say. */
async function findQemuVersion(connection: Connection): Promise<string | undefined> {
  try {
    return formatVersion((await connection.call('connectGetVersion', undefined)).hvVer)
  } catch (thrown) {
    if (isFault(thrown, 'hypervisor')) return undefined
    throw thrown
  }
}

type Emulator = { readonly emulator: string | undefined; readonly machine: string | undefined }

/** Finds what would run a machine of this host's kind; undefined when there is no emulator. */
async function findEmulator(connection: Connection): Promise<Emulator | undefined> {
  const arch = machine()
  const wanted = arch === 'x86_64' ? 'q35' : 'virt'
  const args = { emulatorbin: undefined, arch, machine: wanted, virttype: 'qemu', flags: 0 }
  try {
    const { capabilities } = await connection.call('connectGetDomainCapabilities', args)
    const root = parseXml(capabilities, "libvirt's domain capabilities")
    return { emulator: childOf(root, 'path')?.text, machine: childOf(root, 'machine')?.text }
  } catch (thrown) {
    if (isFault(thrown, 'hypervisor')) return undefined
    throw thrown
  }
}
