/**
 * A whole cloud in virtual time whose candidates are elected and keep their journal on a fake
 * ensemble, with their own code for both. A run that is over is just left: nothing of it is real.
 */
import type { Clock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import type { Entry, SharedElection, SharedJournal } from '../../controller/core/ports.ts'
import { Candidate } from '../../controller/io/candidate.ts'
import type { Connection } from '../../controller/io/candidate-parts.ts'
import {
  type ZooKeeperElection,
  zooKeeperElection
} from '../../controller/io/election/zookeeper.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import type { Reign } from '../../controller/io/reign.ts'
import { configOf, imagesOf, worldSessionMs } from '../world/candidate-cloud.ts'
import { FakeClock } from '../world/fake-clock.ts'
import type { FakeControllerMesh } from '../world/fake-mesh.ts'
import { FakeZooKeeper } from '../world/fake-zookeeper.ts'
import type { FakeSession } from '../world/fake-zookeeper-session.ts'
import { Freezer } from '../world/frozen.ts'
import { MemoryStores } from '../world/memory-store.ts'
import { WholeCloud, type WorldHost } from '../world/whole-cloud.ts'
import { anybody, candidacies, witness } from './witness.ts'

/** A mistake that is put in on purpose, to see that it is found. */
export type Mutation = {
  readonly journal?: (journal: SharedJournal) => SharedJournal
  readonly election?: (election: SharedElection) => SharedElection
  readonly candidate?: (candidate: Candidate) => void
  /** What the journal stands on. */
  readonly session?: (session: ZooKeeperSession) => ZooKeeperSession
  /** The epoch is raised by whoever likes. */
  readonly needsNoProof?: true
  /** What a candidate takes for the time. */
  readonly clock?: (clock: Clock) => Clock
}

/** One run of one candidate. */
export type Program = {
  readonly name: string
  readonly candidate: Candidate
  readonly freezer: Freezer
  readonly mesh: FakeControllerMesh
  session: FakeSession | undefined
  election: SharedElection | undefined
  /** Somebody has removed its candidacy: others are elected although its lease still lasts. */
  isRobbed: boolean
}

/** What happened, for the oracle. */
export type Counts = Record<string, number>

const same = <Thing>(thing: Thing): Thing => thing

/** A supervisor starts an ended program again after so long. Unit: ms. */
const restartMs = 1_000

/** Left as it is when its run is over: no timer and no file of it is real. */
export class SimulatedCloud extends WholeCloud {
  readonly chance: () => number
  readonly ensemble: FakeZooKeeper
  readonly programs = new Map<string, Program>()
  readonly entries: Entry[] = []
  readonly problems: string[] = []
  readonly counts: Counts = {}
  /** How many candidates there should be. */
  size = 3
  /** Domains, by their UUID, that somebody has ever wanted stopped, moved or deleted, or killed. */
  readonly disturbed = new Set<string>()
  /** Position of the head as the ensemble has it. */
  head = 0
  onFirst: ((path: string) => void) | undefined
  /** How often each host has lost its power. */
  readonly powerCuts = new Map<string, number>()
  /** Who cannot open a session at the moment. */
  readonly shutOut = new Set<string>()
  readonly #mutation: Mutation
  readonly #stores = new MemoryStores()

  constructor(given: {
    readonly chance: () => number
    /** Resolves once all that needs no time is done. */
    readonly rest: () => Promise<void>
    readonly mutation?: Mutation
  }) {
    super(() => {}, new FakeClock({ now: 0, rest: given.rest }))
    const { chance } = given
    this.chance = chance
    this.pace = () => this.clock.sleep(chance() < 0.5 ? 0 : 400 * chance())
    this.#mutation = given.mutation ?? {}
    this.ensemble = new FakeZooKeeper({
      clock: this.clock,
      latencyMs: () => 1 + 3 * chance(),
      onChange: (changes, actor) => witness(this, changes, actor)
    })
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by
  }

  problem(because: string): void {
    if (this.problems.length < 10) this.problems.push(`at ${this.clock.monotonic()} ms ${because}`)
  }

  /** Those that would act at this moment. */
  get leaders(): readonly Program[] {
    return [...this.programs.values()].filter(({ candidate }) => candidate.mayAct())
  }

  override get reign(): Reign {
    const [leader] = this.leaders
    if (!leader) throw new Error('nobody leads')
    return leader.candidate.service.reign
  }

  /** How many messages of an old epoch a host has refused. */
  refusalsOf({ id: host }: WorldHost): number {
    const seat = this.net.seatOf({ host, endpoint: `fake://${host}`, publicKey: '' })
    return seat?.counters()['deposed'] ?? 0
  }

  override async startController(names: readonly string[] = ['c1', 'c2', 'c3']): Promise<void> {
    void this.#seed().then(() => this.#watch())
    await this.clock.passUntil(() => this.entries.length > 0, 2_000)
    for (const name of names) void this.start(name)
    await this.clock.passUntil(() => this.leaders.length > 0, 10_000)
  }

  async start(name: string): Promise<void> {
    const freezer = new Freezer()
    let candidate: Candidate | undefined
    const mesh = this.net.controller(
      () => candidate?.service.ledger.epoch ?? 0,
      () => candidate?.mayAct() ?? false
    )
    const parts = {
      connect: () => this.#connect(program),
      mesh: freezer.mesh(mesh),
      clock: (this.#mutation.clock ?? same)(freezer.clock(this.clock)),
      log: silentLog,
      meshKey: name.padEnd(40, 'k'),
      door: () => ({ endpoint: `tcp://${name}:1`, publicKey: 'd'.repeat(40) }),
      standIns: {
        images: imagesOf(),
        listen: async () => ({ port: 1, url: `http://${name}`, close: async () => {} }),
        openStore: this.#stores.open
      }
    }
    candidate = new Candidate(configOf(name), parts, new AbortController().signal)
    const nothing = { session: undefined, election: undefined, isRobbed: false }
    const program: Program = { name, candidate, freezer, mesh, ...nothing }
    this.programs.set(name, program)
    await candidate.open()
    this.#mutation.candidate?.(candidate)
    void this.#supervise(program)
  }

  async #connect(program: Program): Promise<Connection> {
    const { name, freezer } = program
    await freezer.through(this.clock.sleep(1))
    if (this.shutOut.has(name)) await this.clock.sleep(500)
    const session = await this.ensemble.connect({ sessionMs: worldSessionMs })
    if (this.shutOut.has(name)) this.ensemble.cut(session)
    program.session = session
    let election: ZooKeeperElection | undefined
    const { needsNoProof, session: mutated = same } = this.#mutation
    const journal = await openZooKeeperJournal(mutated(session), {
      log: silentLog,
      ...(!needsNoProof && { proof: () => election?.proof() })
    })
    return {
      journal: this.#mutation.journal?.(journal) ?? freezer.journal(journal),
      ended: session.ended,
      stand: async () => {
        const clock = freezer.clock(this.clock)
        election = zooKeeperElection(session, { name, log: silentLog, clock })
        program.election = this.#mutation.election?.(election) ?? election
        return program.election
      },
      [Symbol.asyncDispose]: async () => {
        await journal[Symbol.asyncDispose]()
        await session[Symbol.asyncDispose]()
      }
    }
  }

  async #supervise(program: Program): Promise<void> {
    try {
      const { because } = await program.candidate.over
      this.count('candidates ended')
      if (/raised|deposed|stale|another/.test(because)) this.count('deposed by the epoch')
    } catch (thrown) {
      if (!program.freezer.isFrozen) {
        this.problem(`${program.name} died of a mistake: ${(thrown as Error).stack ?? thrown}`)
      }
    }
    if (this.programs.get(program.name) !== program) return
    this.#bury(program)
    await this.clock.sleep(restartMs)
    await this.start(program.name)
  }

  /** Nothing of a program that has ended reaches anybody any more. */
  #bury(program: Program): void {
    this.programs.delete(program.name)
    if (program.session) this.ensemble.pause(program.session)
    program.freezer.freeze()
    void program.mesh[Symbol.asyncDispose]()
  }

  /** SIGKILL, or a power cut; it starts again after a while. */
  async kill(name: string, whileMs: number): Promise<void> {
    const program = this.programs.get(name)
    if (!program) return
    this.#bury(program)
    await this.clock.sleep(whileMs)
    await this.start(name)
  }

  /** SIGSTOP, and SIGCONT after a while. */
  async pause(name: string, whileMs: number): Promise<void> {
    const program = this.programs.get(name)
    if (!program || program.freezer.isFrozen) return
    const { session, freezer } = program
    freezer.freeze()
    if (session) this.ensemble.pause(session)
    await this.clock.sleep(whileMs)
    if (this.programs.get(name) !== program) return
    freezer.thaw()
    if (session) this.ensemble.resume(session)
  }

  /** Removes the candidacy of who is first behind its back, as an operator might who tidies up. */
  rob(): void {
    const [first] = candidacies(this.ensemble.tree)
    for (const program of this.programs.values()) {
      if (!first || program.session?.id !== first.owner.toString(16)) continue
      program.isRobbed = true
      this.ensemble.meddle([{ op: 'remove', path: first.path, version: 'any' }], anybody)
    }
  }

  /** Resolves once another one is first among the candidates, or after so long. */
  async anotherFirst(atMostMs: number): Promise<void> {
    const before = candidacies(this.ensemble.tree)[0]?.path
    const over = new AbortController()
    this.onFirst = path => path !== before && over.abort()
    await this.clock.sleep(atMostMs, over.signal).catch(() => {})
    this.onFirst = undefined
  }

  /** Keeps what comes into the journal, as one who only reads it. */
  async #watch(): Promise<void> {
    for (;;) {
      try {
        const session = await this.ensemble.connect()
        const journal = await openZooKeeperJournal(session, { log: silentLog })
        const { ended } = session
        for await (const entry of journal.tail(this.entries.length, ended)) {
          this.entries.push(entry)
        }
      } catch (thrown) {
        if (isFault(thrown, 'corrupt')) this.problem(`the journal does not hold: ${thrown}`)
      }
      await this.clock.sleep(200)
    }
  }

  async #seed(): Promise<void> {
    const session = await this.ensemble.connect()
    const journal = await openZooKeeperJournal(session, { log: silentLog })
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
    await session[Symbol.asyncDispose]()
  }
}
