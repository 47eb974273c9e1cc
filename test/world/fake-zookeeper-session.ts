/**
 * The client's end of a fake session. It keeps the same rules as the real one: nothing waits while
 * there is no connection, every answer has a deadline, the lease is confirmed in the quiet, and the
 * session gives up when nothing was answered for its whole time.
 */
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { lostRequest } from '#shared/zookeeper/faults.ts'
import { makeLease } from '#shared/zookeeper/lease.ts'
import { answerMsMax, beatMs, checkTransaction } from '#shared/zookeeper/limits.ts'
import {
  bearingOf,
  carriedOut,
  deposed,
  failed,
  marksOf,
  ownConfirmation,
  type Proof,
  type ProofState,
  sent
} from '#shared/zookeeper/proof.ts'
import type { Node, Operation, Outcome, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { WatchList } from '#shared/zookeeper/watch-list.ts'
import type { Connection, FakeZooKeeper, Registration, Way } from './fake-zookeeper.ts'
import type { Actor, Change, ZnodeTree } from './znode-tree.ts'

/** Faults that wait for their occasion. */
export type WaitingFaults = {
  cut: boolean
  requestsToLose: number
  repliesToLose: number
  toRefuse: number
}

type Work<Result> = (
  tree: ZnodeTree,
  actor: Actor
) => { result: Result; changes?: readonly Change[] }

type Request = {
  readonly sentAt: Ms
  readonly connection: Connection
  readonly fail: (thrown: unknown) => void
}

/** How long a new connection takes to be tried. */
const reconnectMs: Ms = 20

/** One session; see `ZooKeeperSession`. */
export class FakeSession implements ZooKeeperSession {
  readonly id: string
  readonly timeoutMs: Ms
  readonly up: Way = { held: undefined, last: -Infinity }
  readonly down: Way = { held: undefined, last: -Infinity }
  /** What its server still sees, when that has fallen behind. */
  behind: ZnodeTree | undefined
  readonly faults: WaitingFaults = { cut: false, requestsToLose: 0, repliesToLose: 0, toRefuse: 0 }
  readonly #ensemble: FakeZooKeeper
  readonly #end = new AbortController()
  readonly #lease
  readonly #underWay = new Set<Request>()
  readonly #watches = new WatchList(this.#end.signal)
  #proof: ProofState = { proof: undefined, raises: 0 }
  #registration: Registration | undefined
  #connection: Connection | undefined
  /** The one before; the ensemble drops it when there is another. */
  #former: Connection | undefined
  #answeredAt: Ms
  #confirmedAt: Ms
  #paused: PromiseWithResolvers<void> | undefined

  constructor(ensemble: FakeZooKeeper, id: bigint, timeoutMs: Ms) {
    this.#ensemble = ensemble
    this.id = id.toString(16)
    this.timeoutMs = timeoutMs
    this.#lease = makeLease(timeoutMs)
    this.#answeredAt = this.#now()
    this.#confirmedAt = this.#now()
  }

  get ended(): AbortSignal {
    return this.#end.signal
  }
  server(): string | undefined {
    return this.#connection === undefined ? undefined : 'fake:2181'
  }
  leaseUntil(): Ms | undefined {
    return this.#lease.until()
  }

  read(path: string): Promise<Node | undefined> {
    return this.#request('read', (tree, actor) => ({
      result: (this.behind ?? tree).read(path, actor)
    }))
  }
  children(path: string): Promise<readonly string[] | undefined> {
    return this.#request('list', (tree, actor) => ({
      result: (this.behind ?? tree).children(path, actor)
    }))
  }
  sync(path: string): Promise<void> {
    return this.#request(`synchronize ${path}`, () => ({ result: this.#catchUp() }))
  }

  async transact(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    checkTransaction(operations)
    const { proof } = this.#proof
    const bearing = bearingOf(proof ? marksOf(operations, proof.path) : [], proof)
    this.#proof = sent(this.#proof, bearing)
    let sentAt: Ms = 0
    try {
      const outcomes = await this.#request(
        'change znodes',
        (tree, actor) => {
          this.#catchUp()
          const { outcomes, changes } = tree.transact(operations, actor)
          return { result: outcomes, changes }
        },
        at => {
          sentAt = at
          if (bearing.confirms) this.#confirmedAt = at
        }
      )
      this.#proof = carriedOut(this.#proof, bearing, outcomes)
      if (bearing.confirms) this.#lease.confirmed(sentAt)
      return outcomes
    } catch (thrown) {
      this.#proof = failed(this.#proof, bearing, thrown)
      const end = proof && deposed(bearing, proof, thrown)
      if (end) this.#finish(end)
      throw thrown
    }
  }

  watch(
    path: string,
    options: { readonly children?: boolean; readonly signal: AbortSignal }
  ): AsyncIterable<void> {
    return this.#watches.watch(path, options, { begin: () => {}, end: () => {} })
  }

  keepLease(proof: Proof): void {
    this.#proof = { proof, raises: this.#proof.raises }
    this.#confirmedAt = -Infinity
    this.#beat()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish(new Fault('closed', 'the session was closed'))
  }

  // What the ensemble does to it.

  get paused(): boolean {
    return this.#paused !== undefined
  }

  start(registration: Registration): void {
    this.#registration = registration
    this.tryConnecting()
    void this.#live()
  }
  /** The connection is gone, and this end knows. */
  broke(because: string): void {
    const connection = this.#connection
    if (connection !== undefined) connection.up = connection.down = false
    this.#disconnected(because)
  }
  /** The ensemble has ended it; what is held keeps the news back. */
  wasExpired(): void {
    const connection = this.#connection
    if (connection === undefined || this.ended.aborted) return
    this.#ensemble.carry(this.down, () => {
      if (!connection.down) return
      connection.up = connection.down = false
      this.#disconnected('the server closed the connection')
    })
  }
  /** Connects where it can. */
  tryConnecting(): void {
    const isShut = this.faults.cut || this.up.held !== undefined || !this.#ensemble.runs
    if (isShut || this.#paused || this.#connection || this.ended.aborted) return
    if (!this.#registration!.lives) {
      this.#finish(expired(this.id))
      return
    }
    this.#registration!.heardAt = this.#now()
    this.#connection = { up: true, down: true }
    this.behind = undefined
    if (this.#former) this.#former.up = false
    this.#lease.connected(this.#now())
    this.#answeredAt = this.#now()
    this.#watches.all()
    this.#beat()
  }
  changed(changes: readonly Change[]): void {
    const connection = this.#connection
    if (connection === undefined || this.behind !== undefined) return
    this.#ensemble.carry(this.down, () => {
      if (connection.down) this.#watches.changed(changes)
    })
  }
  pause(): void {
    this.#paused ??= Promise.withResolvers<void>()
    this.down.held ??= []
  }
  resume(): void {
    const paused = this.#paused
    if (paused === undefined) return
    this.#paused = undefined
    this.#review()
    if (this.#connection?.down === false) this.#disconnected('the connection was reset')
    const held = this.up.held === undefined ? (this.down.held ?? []) : []
    if (this.up.held === undefined) this.down.held = undefined
    for (const deliver of held) deliver()
    paused.resolve()
    this.tryConnecting()
    this.#beat()
  }

  // Its own life.

  #catchUp(): void {
    const connection = this.#connection
    if (this.behind === undefined) return
    this.behind = undefined
    this.#ensemble.carry(this.down, () => {
      if (connection?.down) this.#watches.all()
    })
  }

  #now(): Ms {
    return this.#ensemble.clock.monotonic()
  }

  async #request<Result>(
    what: string,
    work: Work<Result>,
    leaves: (at: Ms) => void = () => {}
  ): Promise<Result> {
    while (this.#paused) await this.#paused.promise
    if (this.ended.aborted) {
      throw new Fault('closed', `cannot ${what}: the session has ended`, {
        cause: this.ended.reason
      })
    }
    const connection = this.#connection
    if (connection === undefined || this.faults.toRefuse > 0) {
      if (this.faults.toRefuse > 0) this.faults.toRefuse--
      throw lostRequest(false, `cannot ${what}: no server is connected`)
    }
    const sentAt = this.#now()
    leaves(sentAt)
    return await new Promise<Result>((resolve, reject) => {
      const request: Request = { sentAt, connection, fail: reject }
      this.#underWay.add(request)
      this.#ensemble.carry(this.up, () => {
        this.#arrived(request, work, settle => {
          this.#underWay.delete(request)
          this.#answeredAt = Math.max(this.#answeredAt, sentAt)
          this.#lease.answered(sentAt)
          settle(resolve)
        })
      })
    })
  }

  #arrived<Result>(
    request: Request,
    work: Work<Result>,
    answered: (settle: (resolve: (result: Result) => void) => void) => void
  ): void {
    const { connection, fail } = request
    const registration = this.#registration!
    if (!connection.up || !registration.lives) return
    if (!this.#ensemble.runs) {
      this.broke('there is no quorum')
      return
    }
    if (this.faults.requestsToLose > 0) {
      this.faults.requestsToLose--
      this.broke('the connection was reset')
      return
    }
    let settle: (resolve: (result: Result) => void) => void
    try {
      const result = this.#ensemble.carryOut(registration, work)
      settle = resolve => resolve(result)
    } catch (thrown) {
      settle = () => fail(thrown)
    }
    if (this.faults.repliesToLose > 0) {
      this.faults.repliesToLose--
      this.broke('the connection was reset')
      return
    }
    this.#ensemble.carry(this.down, () => {
      if (connection.down) answered(settle)
    })
  }

  /** This end gives the connection up; what has left may still arrive. */
  #disconnected(because: string): void {
    if (this.#paused || this.#connection === undefined) return
    this.#connection.down = false
    this.#former = this.#connection
    this.#connection = undefined
    this.#failAll(because)
    this.#ensemble.clock.sleep(reconnectMs, this.ended).then(
      () => this.tryConnecting(),
      () => {}
    )
  }

  #failAll(because: string): void {
    const requests = [...this.#underWay]
    this.#underWay.clear()
    for (const { fail } of requests) {
      fail(lostRequest(true, `cannot tell what became of a request: ${because}`))
    }
  }

  async #live(): Promise<void> {
    const everyMs = beatMs(this.timeoutMs)
    try {
      while (!this.ended.aborted) {
        const oldest = [...this.#underWay][0]?.sentAt ?? Infinity
        const next = Math.min(
          oldest + answerMsMax(this.timeoutMs),
          this.#answeredAt + this.timeoutMs
        )
        const beat = this.#connection ? this.#confirmedAt + everyMs : Infinity
        const waitMs = Math.max(1, Math.min(next, beat) - this.#now())
        await this.#ensemble.clock.sleep(Math.min(waitMs, everyMs), this.ended)
        if (this.#paused) await this.#paused.promise
        else this.#review()
        this.#beat()
      }
    } catch {
      // It has ended.
    }
  }

  /** Ends or breaks what has waited for too long. */
  #review(): void {
    const now = this.#now()
    if (now >= this.#answeredAt + this.timeoutMs) {
      const why = `no server has answered for ${this.timeoutMs} ms`
      this.#finish(new Fault('unavailable', `cannot keep session ${this.id}: ${why}`))
      return
    }
    const oldest = [...this.#underWay][0]
    const answerMs = answerMsMax(this.timeoutMs)
    if (oldest && now >= oldest.sentAt + answerMs) {
      this.#disconnected(`no answer within ${answerMs} ms`)
    }
  }

  /** Says that it is there, and confirms the lease, when nothing else has done so for a while. */
  #beat(): void {
    const isDue = this.#now() >= this.#confirmedAt + beatMs(this.timeoutMs)
    if (!this.#connection || this.#paused || !isDue) return
    this.#confirmedAt = this.#now()
    const own = ownConfirmation(this.#proof)
    const beat = own ? this.transact(own) : this.sync('/')
    beat.catch(() => {})
  }

  #finish(because: Fault): void {
    if (this.ended.aborted) return
    const open = this.#connection?.up && this.up.held === undefined && !this.#paused
    this.#end.abort(because)
    this.#connection = undefined
    this.#failAll(because.message)
    if (open) this.#ensemble.close(this.#registration!)
  }
}

const expired = (id: string): Fault =>
  new Fault('unavailable', `cannot keep session ${id}: it has expired`)
