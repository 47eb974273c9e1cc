/**
 * libvirt in memory, for tests of what stands above it: the same promises (it passes the same
 * contract), and controls for what a test wants to happen to a host.
 */
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import { isCrossing, isTorn } from '../../agent/core/own-domains.ts'
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
} from '../../agent/core/ports.ts'
import { EventQueue, lookAgain } from '../../agent/io/libvirt/event-queue.ts'
import { makeEcho } from './echo.ts'
import { type FakeDomain, fakeAbilities, keyOf, newFakeDomain, readDomain } from './fake-domain.ts'
import { type Crossing, FakeLines, type Job, standstillOf } from './fake-lines.ts'

type Method = Exclude<keyof Hypervisor, typeof Symbol.asyncDispose | 'events'>

type CrossingWay = Pick<Crossing, 'there' | 'uri' | 'refuse'> & {
  readonly peer: FakeHypervisor
  readonly boots: number
}

/** Which moment of a migration comes next; a test may let things happen before it does. */
export type MigrationMoment = 'connect' | 'send' | 'cross' | 'finish' | 'confirm'

export type FakeOptions = {
  readonly abilities?: Partial<HypervisorAbilities>
  /** Those that VMs can be sent to, by URI. */
  readonly peers?: ReadonlyMap<string, FakeHypervisor>
  /** Waited for before each moment of a migration. */
  readonly pace?: (moment: MigrationMoment) => Promise<void>
}

/** A hypervisor without a host. */
export class FakeHypervisor implements Hypervisor {
  readonly #domains = new Map<string, FakeDomain>()
  readonly #readers = new Set<EventQueue>()
  readonly #failures = new Map<Method, Fault[]>()
  readonly #abilities: HypervisorAbilities
  readonly #calls: string[] = []
  readonly #peers: ReadonlyMap<string, FakeHypervisor>
  readonly #pace: (moment: MigrationMoment) => Promise<void>
  /** The lines to others, and what is on its way on them. */
  readonly lines = new FakeLines()
  #closed = false
  #boots = 0
  #losesReply = false

  constructor(options: FakeOptions = {}) {
    this.#peers = options.peers ?? new Map()
    this.#pace = options.pace ?? (async () => {})
    this.#abilities = { ...fakeAbilities, ...options.abilities }
  }

  /** What was asked of it so far: the method, and the domain's name where there is one. */
  get calls(): readonly string[] {
    return this.#calls
  }

  /** What is there, seen by who needs not ask. */
  get all(): readonly Domain[] {
    return Array.from(this.#domains.values(), ({ domain }) => domain)
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

  /** A guest agent opens its end of the channel. */
  letGuestAgentCome(name: string): void {
    const found = [...this.#domains.values()].find(({ domain }) => domain.name === name)
    if (!found) throw new Error(`there is no domain ${name}`)
    found.domain = { ...found.domain, guestAgent: true }
    this.#publish(found.domain, 'guest-agent', 'connected')
  }

  /** From now on the domain ignores the wish to shut down, or follows it again. */
  setObeys(key: DomainKey, obeys: boolean): void {
    this.#find(key, 'teach').obeys = obeys
  }

  /** The word of the other side that the next VM runs there does not reach this one. */
  loseNextReply(): void {
    this.#losesReply = true
  }

  /** The machine loses its power and is switched on again: no domain is left, nobody is told. */
  powerCut(): void {
    this.#boots += 1
    this.lines.stir()
    for (const { sending, consoles } of this.#domains.values()) {
      if (sending) sending.because = 'the power is gone'
      for (const console of consoles) console.destroy()
    }
    this.#domains.clear()
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

  async migrate(key: DomainKey, way: MigrationWay): Promise<void> {
    const found = this.#beginOn('migrate', key)
    const boots = this.#boots
    const refuse = (because: string) =>
      new Fault('hypervisor', `cannot send it to ${way.uri}: ${because}`)
    if (key.driver !== 'qemu') throw refuse('this driver cannot')
    if (found.sending) throw refuse('it is being sent already')
    if (way.resume === true && !isTorn(found.domain)) throw refuse('it has not lost a part of it')
    const postCopy = way.postCopy === true
    const job: Job = { because: undefined, postCopy, crosses: false, ...standstillOf(way) }
    found.sending = job
    const here = found.domain
    try {
      await this.#pace('connect')
      const peer = this.#peers.get(way.uri)
      if (!peer || peer.#closed || this.lines.isCut(way.uri)) throw refuse('nobody listens there')
      if (way.resume === true) {
        const there = peer.#domains.get(keyOf(key))
        return await this.#finishCrossing(found, { peer, there, boots, uri: way.uri, refuse })
      }
      if (peer.#domains.has(keyOf(key))) throw refuse('it is there already')
      const there = peer.#add({ ...found.domain, state: 'paused', reason: 'migration' })
      const { uri } = way
      await this.#send(found, { peer, there, boots, job, refuse, uri }).catch(thrown => {
        const isThere = peer.#domains.get(keyOf(key)) === there
        const isPart = isCrossing(there.domain)
        if (isThere && !there.hasArrived && !isPart) peer.#remove(there, 'stopped', 'failed')
        throw thrown
      })
    } catch (thrown) {
      delete found.sending
      const isHere = this.#boots === boots && this.#domains.get(keyOf(key)) === found
      if (isHere && isCrossing(found.domain)) throw thrown
      // What may have gone on there has the locks of its volumes: it cannot go on here.
      const peer = this.#peers.get(way.uri)
      const hasLocks = peer === undefined || peer.#domains.get(keyOf(key))?.hasArrived !== true
      if (isHere && hasLocks) found.domain = here
      throw thrown
    }
  }

  async #send(
    found: FakeDomain,
    way: CrossingWay & {
      readonly there: FakeDomain
      readonly job: Job
    }
  ): Promise<void> {
    const { peer, there, boots, job, refuse, uri } = way
    const state = found.domain.state
    const check = (): void => {
      if (job.because !== undefined) throw refuse(job.because)
      if (this.#domains.get(keyOf(found.domain)) !== found) throw refuse('it has ended meanwhile')
      if (peer.#domains.get(keyOf(found.domain)) !== there) throw refuse('the other side is gone')
    }
    await this.lines.endless(job, check)
    await this.#pace('send')
    check()
    if (job.crosses) return await this.#cross(found, there, { peer, there, boots, uri, refuse })
    found.domain = { ...found.domain, state: 'paused', reason: 'migration' }
    await this.#pace('finish')
    check()
    there.hasArrived = true
    there.domain =
      state === 'paused'
        ? { ...there.domain, state, reason: 'user' }
        : { ...there.domain, state, reason: 'migrated' }
    peer.#publish(there.domain, 'resumed', 'migrated')
    await this.#pace('confirm')
    if (this.#boots !== boots) return
    // The word that it runs there is lost: it is neither let go on nor ended here.
    if (this.#losesReply) {
      this.#losesReply = false
      throw refuse('the connection was lost')
    }
    if (this.#domains.get(keyOf(found.domain)) === found) this.#remove(found, 'stopped', 'migrated')
  }

  async abortMigration(key: DomainKey): Promise<void> {
    const { sending, domain } = this.#beginOn('abortMigration', key)
    if (sending && domain.reason !== 'migration' && !isCrossing(domain)) {
      sending.because = 'it was called back'
      this.lines.stir()
    } else throw new Fault('hypervisor', `cannot call ${domain.name} back: nothing sends it`)
  }

  async startPostCopy(key: DomainKey): Promise<void> {
    this.lines.letCross(this.#beginOn('startPostCopy', key))
  }

  async allowStandstill(key: DomainKey, standstillMs: number): Promise<void> {
    this.lines.allow(this.#beginOn('allowStandstill', key), standstillMs)
  }

  /** It goes on there at once, and all of its memory comes later. */
  async #cross(found: FakeDomain, there: FakeDomain, way: CrossingWay): Promise<void> {
    const { peer } = way
    found.domain = { ...found.domain, state: 'paused', reason: 'postcopy' }
    there.domain = { ...there.domain, state: 'running', reason: 'postcopy' }
    peer.#publish(there.domain, 'resumed', 'postcopy')
    await this.#finishCrossing(found, way)
  }

  async #finishCrossing(found: FakeDomain, way: CrossingWay): Promise<void> {
    const { peer, there, boots } = way
    const key = keyOf(found.domain)
    await this.lines.cross({
      ...way,
      found,
      pace: () => this.#pace('cross'),
      isHere: () => this.#boots === boots && this.#domains.get(key) === found,
      isThere: () => peer.#domains.get(key) === there
    })
    this.#remove(found, 'stopped', 'migrated')
  }

  async transfer(key: DomainKey): Promise<Transfer | undefined> {
    const found = this.#find(key, 'see the way of')
    return found.sending && this.lines.transferOf(found)
  }

  async arrival(key: DomainKey): Promise<Arrival | undefined> {
    return this.#find(key, 'see the way of').hasArrived ? { downtimeMs: 7 } : undefined
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
    const added = newFakeDomain(domain)
    this.#domains.set(keyOf(domain), added)
    return added
  }

  #remove({ domain, consoles }: FakeDomain, event: string, detail: string, silently = false): void {
    this.#domains.delete(keyOf(domain))
    this.lines.stir()
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
