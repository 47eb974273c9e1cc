/**
 * libvirt in memory, for tests of what stands above it: the same promises (it passes the same
 * contract), and controls for what a test wants to happen to a host.
 */
import { randomUUID } from 'node:crypto'
import { Duplex } from 'node:stream'
import { Fault, sentence } from '#shared/fault.ts'
import type {
  Domain,
  DomainEvent,
  DomainKey,
  DomainStats,
  Driver,
  Hypervisor,
  HypervisorAbilities
} from '../../agent/core/ports.ts'
import { describeDomain } from '../../agent/io/libvirt/description.ts'
import { EventQueue, lookAgain } from '../../agent/io/libvirt/event-queue.ts'
import { childOf, parseXml } from '../../agent/io/xml.ts'

type Method = Exclude<keyof Hypervisor, typeof Symbol.asyncDispose | 'events'>

type FakeDomain = { domain: Domain; obeys: boolean; consoles: Set<Duplex>; stats: DomainStats }

export type FakeOptions = { readonly abilities?: Partial<HypervisorAbilities> }

/** A hypervisor without a host. */
export class FakeHypervisor implements Hypervisor {
  readonly #domains = new Map<string, FakeDomain>()
  readonly #readers = new Set<EventQueue>()
  readonly #failures = new Map<Method, Fault[]>()
  readonly #abilities: HypervisorAbilities
  readonly #calls: string[] = []
  #closed = false

  constructor(options: FakeOptions = {}) {
    this.#abilities = {
      libvirtVersion: '9.0.0',
      qemu: true,
      lxc: true,
      emulator: '/usr/bin/qemu-system-x86_64',
      machine: 'pc-q35-7.2',
      ...options.abilities
    }
  }

  /** What was asked of it so far: the method, and the domain's name where there is one. */
  get calls(): readonly string[] {
    return this.#calls
  }

  // What a test makes happen.

  /** Lets the next call of a method fail; several wait in a row. */
  failNext(method: Method, fault: Fault): void {
    this.#failures.set(method, [...(this.#failures.get(method) ?? []), fault])
  }

  /** Ends a domain behind our back, as `crashed` or `destroyed`; silently, the event is lost. */
  kill(key: DomainKey, how: { readonly detail?: string; readonly silently?: boolean } = {}): void {
    this.#remove(this.#find(key, 'kill'), 'stopped', how.detail ?? 'crashed', how.silently)
  }

  /** The guest shuts down by itself. */
  shutDownFromInside(key: DomainKey): void {
    const found = this.#find(key, 'shut down')
    this.#publish(found.domain, 'shutdown', 'by the guest')
    this.#remove(found, 'stopped', 'shutdown')
  }

  /** From now on the domain ignores the wish to shut down, or follows it again. */
  setObeys(key: DomainKey, obeys: boolean): void {
    this.#find(key, 'teach').obeys = obeys
  }

  /** Puts a domain there that is not ours. */
  addForeign(domain: Partial<Domain> & { readonly name: string; readonly driver: Driver }): Domain {
    return this.#add({
      uuid: randomUUID(),
      state: 'running',
      reason: 'booted',
      metadata: undefined,
      memoryMib: 64,
      vcpus: 1,
      ...domain
    }).domain
  }

  /** Sets what the counters of a domain show. */
  setStats(key: DomainKey, stats: Partial<Omit<DomainStats, 'uuid'>>): void {
    const found = this.#find(key, 'count')
    found.stats = { ...found.stats, ...stats }
  }

  /** The connection to libvirt is lost and found again; domains go on, consoles do not. */
  disconnect(): void {
    const fault = new Fault('closed', 'cannot go on: the connection to libvirt is gone')
    for (const { consoles } of this.#domains.values()) {
      for (const console of consoles) console.destroy(fault)
    }
    for (const reader of this.#readers) {
      for (const driver of ['qemu', 'lxc'] as const) {
        reader.push(lookAgain(driver, 'the connection was lost'))
      }
    }
  }

  // The port.

  async domains(): Promise<readonly Domain[]> {
    this.#begin('domains')
    return [...this.#domains.values()].map(({ domain }) => domain)
  }

  async create(driver: Driver, xml: string): Promise<void> {
    const domain = readDomain(driver, xml)
    this.#begin('create', domain.name)
    for (const { domain: other } of this.#domains.values()) {
      if (other.driver !== driver) continue
      if (other.uuid === domain.uuid || other.name === domain.name) {
        throw new Fault('conflict', `cannot start a ${driver} domain: '${domain.name}' exists`)
      }
    }
    this.#add(domain)
    this.#publish(domain, 'started', 'booted')
  }

  async destroy(key: DomainKey): Promise<void> {
    this.#remove(this.#beginOn('destroy', key), 'stopped', 'destroyed')
  }

  async shutdown(key: DomainKey): Promise<void> {
    const found = this.#beginOn('shutdown', key)
    if (!found.obeys) return
    queueMicrotask(() => {
      if (this.#domains.get(keyOf(key)) === found) this.shutDownFromInside(key)
    })
  }

  async suspend(key: DomainKey): Promise<void> {
    this.#turn(this.#beginOn('suspend', key), 'paused', 'user', 'suspended', 'paused')
  }

  async resume(key: DomainKey): Promise<void> {
    this.#turn(this.#beginOn('resume', key), 'running', 'unpaused', 'resumed', 'unpaused')
  }

  async stats(): Promise<readonly DomainStats[]> {
    this.#begin('stats')
    return [...this.#domains.values()].map(({ stats }) => stats)
  }

  async console(key: DomainKey): Promise<Duplex> {
    const { consoles } = this.#beginOn('console', key)
    const console = makeEcho()
    consoles.add(console)
    console.once('close', () => consoles.delete(console))
    return console
  }

  events(signal: AbortSignal): AsyncIterable<DomainEvent> {
    const end = (): void => reader.end()
    const reader = new EventQueue({ onEnd: () => this.#readers.delete(reader) })
    this.#readers.add(reader)
    if (signal.aborted || this.#closed) end()
    else signal.addEventListener('abort', end, { once: true })
    return reader
  }

  async abilities(): Promise<HypervisorAbilities> {
    this.#begin('abilities')
    return this.#abilities
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const reader of [...this.#readers]) reader.end()
    for (const { consoles } of this.#domains.values()) {
      for (const console of consoles) console.destroy()
    }
  }

  #begin(method: Method, name?: string): void {
    if (this.#closed) throw new Fault('closed', 'cannot reach libvirt: we are closing')
    this.#calls.push(name === undefined ? method : `${method} ${name}`)
    const fault = this.#failures.get(method)?.shift()
    if (fault) throw fault
  }

  #beginOn(method: Method, key: DomainKey): FakeDomain {
    this.#begin(method, this.#domains.get(keyOf(key))?.domain.name ?? key.uuid)
    return this.#find(key, method)
  }

  #find(key: DomainKey, verb: string): FakeDomain {
    const found = this.#domains.get(keyOf(key))
    if (found) return found
    throw new Fault('not-found', `cannot ${verb} ${key.driver} domain ${key.uuid}: there is none`)
  }

  #add(domain: Domain): FakeDomain {
    const stats: DomainStats = {
      uuid: domain.uuid,
      cpuNs: 0,
      balloonMib: domain.memoryMib,
      netReceivedBytes: 0,
      netSentBytes: 0,
      diskReadBytes: 0,
      diskWrittenBytes: 0
    }
    const added = { domain, obeys: true, consoles: new Set<Duplex>(), stats }
    this.#domains.set(keyOf(domain), added)
    return added
  }

  #remove({ domain, consoles }: FakeDomain, event: string, detail: string, silently = false): void {
    this.#domains.delete(keyOf(domain))
    for (const console of consoles) console.push(null)
    if (!silently) this.#publish(domain, event, detail)
  }

  #turn(
    found: FakeDomain,
    state: Domain['state'],
    reason: string,
    event: string,
    detail: string
  ): void {
    if (found.domain.state === state) return
    found.domain = { ...found.domain, state, reason }
    this.#publish(found.domain, event, detail)
  }

  #publish({ uuid, name, driver }: Domain, event: string, detail: string): void {
    for (const reader of this.#readers) reader.push({ uuid, name, driver, event, detail })
  }
}

const keyOf = ({ driver, uuid }: DomainKey): string => `${driver}:${uuid.toLowerCase()}`

const domainTypes: Readonly<Record<Driver, readonly string[]>> = {
  qemu: ['qemu', 'kvm'],
  lxc: ['lxc']
}

/** Reads just enough of a domain's XML; libvirt would refuse much more. */
function readDomain(driver: Driver, xml: string): Domain {
  try {
    const root = parseXml(xml, 'the description of a new domain')
    const type = root.attributes['type'] ?? 'none'
    const name = childOf(root, 'name')?.text
    if (!name) throw new Fault('invalid', 'it has no name')
    if (!domainTypes[driver].includes(type)) throw new Fault('invalid', `its type is ${type}`)
    const { metadata, memoryMib, vcpus } = describeDomain(xml)
    const uuid = childOf(root, 'uuid')?.text.trim().toLowerCase() ?? randomUUID()
    return { uuid, name, driver, state: 'running', reason: 'booted', metadata, memoryMib, vcpus }
  } catch (thrown) {
    const message = `cannot start a ${driver} domain: libvirt refuses: ${sentence(thrown)}`
    throw new Fault('hypervisor', message, { cause: thrown })
  }
}

/** A console that gives back what it is sent, until either side ends it. */
const makeEcho = (): Duplex =>
  new Duplex({
    read: () => {},
    write(chunk, _encoding, done) {
      this.push(chunk)
      done()
    },
    final(done) {
      this.push(null)
      done()
    }
  })
