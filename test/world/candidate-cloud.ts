/**
 * A whole cloud with several candidates in virtual time, on one journal and one election. Each
 * candidate is a program of its own: it can be killed, stopped for a while, and cut off from the
 * journal or from the hosts; when it ends it is started again, as its supervisor would do.
 */
import { silentLog } from '#shared/log.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import type { Entry, SharedElection } from '../../controller/core/ports.ts'
import { Candidate } from '../../controller/io/candidate.ts'
import type { Connection } from '../../controller/io/candidate-parts.ts'
import type { ControllerConfig } from '../../controller/io/config.ts'
import type { Reign } from '../../controller/io/reign.ts'
import type { FakeElection } from './fake-election.ts'
import { FakeElections } from './fake-election.ts'
import type { FakeJournal } from './fake-journal.ts'
import type { FakeControllerMesh } from './fake-mesh.ts'
import { Freezer } from './frozen.ts'
import { MemoryStores } from './memory-store.ts'
import { WholeCloud, type WorldHost } from './whole-cloud.ts'

/** Silence after which a session ends. Unit: ms. */
export const worldSessionMs = 6_000
/** A supervisor starts an ended program again after so long. Unit: ms. */
const restartMs = 1_000

/** What is seen of the candidates from outside. */
export type WorldNews =
  | { readonly type: 'entry'; readonly entry: Entry }
  | { readonly type: 'ended'; readonly name: string; readonly because: string }

/** One run of one candidate. */
type Program = {
  readonly name: string
  readonly candidate: Candidate
  readonly freezer: Freezer
  readonly mesh: FakeControllerMesh
  /** Its way to bootds, where there are any. */
  readonly fences: FakeControllerMesh | undefined
  readonly stop: AbortController
  /** The connection that it has now. */
  line: { readonly journal: FakeJournal; election?: FakeElection } | undefined
  session: AbortController
}

export class CandidateCloud extends WholeCloud {
  readonly elections = new FakeElections()
  readonly #programs = new Map<string, Program>()
  readonly #dead: Program[] = []
  readonly #residents = new Set<string>()
  readonly #stores = new MemoryStores()
  readonly #over = new AbortController()
  readonly #tell: (news: WorldNews) => void
  #watching: Promise<void> = Promise.resolve()
  /** Who is told that it may still act, whatever is so: only epochs keep it from doing so. */
  deceived: string | undefined

  constructor(tell: (news: WorldNews) => void = () => {}) {
    super()
    this.#tell = tell
  }

  /** The reign of who leads. */
  override get reign(): Reign {
    const leader = this.leader
    if (!leader) throw new Error('nobody leads')
    return this.#programs.get(leader)!.candidate.service.reign
  }

  /** A candidate, whether it leads or not. */
  candidate(name: string): Candidate {
    return this.#program(name).candidate
  }

  /** How many messages of an old epoch a host has refused. */
  refusalsOf({ id: host }: WorldHost): number {
    const seat = this.net.seatOf({ host, endpoint: `fake://${host}`, publicKey: '' })
    return seat?.counters()['deposed'] ?? 0
  }

  /** Name of who leads. */
  get leader(): string | undefined {
    for (const { name, candidate, freezer } of this.#programs.values()) {
      if (!freezer.isFrozen && name !== this.deceived && candidate.mayAct()) return name
    }
    return undefined
  }

  /** Starts these candidates; the cloud is founded already. */
  override async startController(names: readonly string[] = ['c1', 'c2', 'c3']): Promise<void> {
    await this.#seed()
    this.#watching = this.#watch()
    for (const name of names) {
      await this.start(name)
      await this.clock.pass(500)
    }
    await this.clock.passUntil(() => this.leader !== undefined, 10_000)
  }

  async start(name: string): Promise<void> {
    const freezer = new Freezer()
    let candidate: Candidate | undefined
    const mesh = this.net.controller(
      () => candidate?.service.ledger.epoch ?? 0,
      () => name === this.deceived || (candidate?.mayAct() ?? false)
    )
    const { room } = this
    const fences = room?.net.controller(
      () => candidate?.service.ledger.epoch ?? 0,
      () => candidate?.mayAct() ?? false
    )
    const stop = new AbortController()
    const clock = freezer.clock(this.clock)
    const parts = {
      connect: () => this.#connect(program),
      mesh: freezer.mesh(mesh),
      ...(fences && { fences: { mesh: freezer.mesh(fences), bootd: () => room?.bootdOf(name) } }),
      clock,
      log: silentLog,
      meshKey: name.padEnd(40, 'k'),
      door: () => ({ endpoint: `tcp://${name}:1`, publicKey: 'd'.repeat(40) }),
      standIns: {
        images: imagesOf(),
        listen: async () => ({ port: 1, url: `http://${name}`, close: async () => {} }),
        openStore: this.#stores.open
      }
    }
    candidate = new Candidate(configOf(name), parts, stop.signal)
    const session = new AbortController()
    const ways = { mesh, fences, line: undefined }
    const program: Program = { name, candidate, freezer, ...ways, stop, session }
    this.#programs.set(name, program)
    await candidate.open()
    void this.#supervise(program)
    await this.clock.settle()
  }

  async #connect(program: Program): Promise<Connection> {
    const { name, freezer } = program
    const line: NonNullable<Program['line']> = {
      journal: this.disk.open(() => line.election !== undefined && this.#isFirst(line.election))
    }
    program.line = line
    program.session = new AbortController()
    return {
      journal: freezer.journal(line.journal),
      ended: program.session.signal,
      stand: async () => {
        line.election = this.elections.stand(name)
        return this.#seenBy(name, line.election)
      },
      [Symbol.asyncDispose]: () => line.journal[Symbol.asyncDispose]()
    }
  }

  #isFirst(election: FakeElection): boolean {
    return this.elections.isFirst(election)
  }

  /** Who is deceived believes for ever that it holds the lease, and is never told otherwise. */
  #seenBy(name: string, election: FakeElection): SharedElection {
    const never = new AbortController().signal
    let hasLed = false
    return {
      alone: false,
      announce: card => election.announce(card),
      candidates: () => election.candidates(),
      leader: () => election.leader(),
      stepDown: because => election.stepDown(because),
      status: () => election.status(),
      holds: now => election.holds(now) || (hasLed && this.deceived === name),
      leasesUntil: now => election.leasesUntil(now),
      lead: async signal => {
        const { lost } = await election.lead(signal)
        hasLed = true
        const told = new AbortController()
        lost.addEventListener('abort', () => this.deceived !== name && told.abort(lost.reason))
        return { lost: this.deceived === name ? never : told.signal }
      },
      [Symbol.asyncDispose]: () => election[Symbol.asyncDispose]()
    }
  }

  async #supervise(program: Program): Promise<void> {
    const { name, candidate } = program
    const { restart, because } = await candidate.over
    if (this.#over.signal.aborted || this.#programs.get(name) !== program) return
    this.#tell({ type: 'ended', name, because })
    this.#bury(program)
    await this.clock.sleep(restartMs)
    if (restart && !this.#over.signal.aborted) await this.start(name)
  }

  /** Nothing of a program that has ended reaches anybody any more. */
  #bury(program: Program): void {
    this.#programs.delete(program.name)
    this.#dead.push(program)
    program.line?.journal.crash()
    void program.mesh[Symbol.asyncDispose]()
    void program.fences?.[Symbol.asyncDispose]()
  }

  #program(name: string): Program {
    const program = this.#programs.get(name)
    if (!program) throw new Error(`${name} does not run`)
    return program
  }

  /** A candidate and its bootd that stand on this machine go with its power, and come with it. */
  protected override readonly onPower = (name: string, isOn: boolean): void => {
    if (!this.#residents.has(name)) return
    if (!isOn) {
      this.room?.stopBootd(name)
      if (this.#programs.has(name)) this.kill(name)
      return
    }
    void this.room?.startBootd(name)
    void this.start(name)
  }

  /** Candidates and bootds that stand on machines of the same name. */
  settle(names: readonly string[]): void {
    for (const name of names) this.#residents.add(name)
  }

  /** SIGKILL, or a power cut: its session is missed after a while. */
  kill(name: string): void {
    const program = this.#program(name)
    program.freezer.freeze()
    this.#bury(program)
    const { line } = program
    void this.clock.sleep(worldSessionMs).then(() => line?.election?.pause())
  }

  /** SIGSTOP: its session is missed after a while. */
  freeze(name: string): void {
    const { freezer, line } = this.#program(name)
    freezer.freeze()
    void this.clock.sleep(worldSessionMs).then(() => freezer.isFrozen && line?.election?.pause())
  }

  /** SIGCONT. */
  async thaw(name: string): Promise<void> {
    const { freezer, line, session } = this.#program(name)
    const isMissed =
      line?.election !== undefined && !this.elections.standing.includes(line.election)
    freezer.thaw()
    await this.clock.settle()
    line?.election?.resume()
    if (isMissed && name !== this.deceived) session.abort()
    await this.clock.settle()
  }

  /** It cannot reach the ensemble any more; its lease runs out, and then its session ends. */
  cutFromJournal(name: string): void {
    const { line, session } = this.#program(name)
    line?.journal.cut()
    void this.clock.sleep(worldSessionMs).then(() => {
      line?.election?.expire()
      if (name !== this.deceived) session.abort()
    })
  }

  cutFromHosts(name: string): void {
    this.#program(name).mesh.cutOff()
  }

  rejoinHosts(name: string): void {
    this.#program(name).mesh.rejoin()
  }

  async stepDown(name: string): Promise<void> {
    const done = this.#program(name).candidate.service.cluster.stepDown('a test wants it')
    await this.clock.pass(200)
    await done
  }

  override async stopController(): Promise<void> {
    this.#over.abort()
    const all = [...this.#programs.values(), ...this.#dead]
    this.#programs.clear()
    this.deceived = undefined
    for (const { stop, freezer } of all) {
      stop.abort()
      freezer.thaw()
    }
    const ending = Promise.all(all.map(({ candidate }) => candidate[Symbol.asyncDispose]()))
    await this.clock.pass(3_000)
    await ending
    await this.#watching
  }

  /** Tells what comes into the journal, as one who only reads it. */
  async #watch(): Promise<void> {
    const journal = this.disk.open()
    const after = this.disk.head()
    for await (const entry of journal.tail(after, this.#over.signal)) {
      this.#tell({ type: 'entry', entry })
    }
  }

  async #seed(): Promise<void> {
    const journal = this.disk.open()
    const epoch = await journal.raiseEpoch()
    let count = 0
    const newId = (prefix: string): string => {
      count += 1
      return `${prefix}-00000000-0000-7000-9000-${String(count).padStart(12, '0')}`
    }
    const createdAt = new Date(this.clock.wall()).toISOString()
    const adminToken = { id: 'tk', name: 'admin', sha256: '0', role: 'admin' as const, createdAt }
    const now = { monotonic: this.clock.monotonic(), wall: this.clock.wall() }
    const context = { by: 'controller', now, newId }
    await journal.append(firstCommit({ cloudId: 'c', adminToken }, context), { epoch })
    await journal[Symbol.asyncDispose]()
  }
}

/** What a candidate in virtual time is told at its start. */
export const configOf = (name: string): ControllerConfig => ({
  state: `/nowhere/${name}`,
  apiAddress: '127.0.0.1',
  apiPort: 0,
  doorAddress: '127.0.0.1',
  doorPort: 0,
  name,
  journal: 'zookeeper',
  cloud: 'remuda',
  sessionMs: worldSessionMs,
  logLevel: 'error'
})

/** A store that has the content of every image. */
export const imagesOf = () => ({
  store: () => Promise.reject(new Error('no content here')),
  has: async () => true,
  open: async () => undefined,
  keepOnly: async () => {}
})
