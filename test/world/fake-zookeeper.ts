/**
 * An ensemble of ZooKeeper in memory, with the faults of servers and networks at a test's command.
 *
 * All servers are one tree. What a session sends is carried out in the order in which it arrives;
 * without a latency it arrives at once, in the call itself. Time is the clock that it is given, and
 * it has no randomness of its own, so that a seed replays a run.
 *
 *   session ──request──► up ──► carried out ──► down ──reply──► session
 *
 * `cut` breaks the connection: both ends notice at once. `hold` stops what is under way in both
 * directions and nobody notices: the session gives the connection up when its deadline has passed,
 * and what it had sent may still be carried out after `release`, unless it has connected anew.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { Operation } from '#shared/zookeeper/session.ts'
import { FakeSession } from './fake-zookeeper-session.ts'
import { type Actor, type Change, ZnodeTree } from './znode-tree.ts'

/** One direction of a connection, in which nothing overtakes. */
export type Way = { held: (() => void)[] | undefined; last: Ms }

/** A connection as both ends know it. */
export type Connection = {
  /** What is sent up it is carried out. */
  up: boolean
  /** What is sent down it is received. */
  down: boolean
}

/** What the ensemble knows of a session. */
export type Registration = {
  readonly id: bigint
  readonly timeoutMs: Ms
  readonly actor: Actor
  readonly client: FakeSession
  /** Aborts when the ensemble ends it. */
  readonly gone: AbortController
  heardAt: Ms
  lives: boolean
}

const sessionMsDefault = 6_000

/** The ensemble, with its controls. */
export class FakeZooKeeper implements AsyncDisposable {
  readonly clock: Clock
  readonly tree = new ZnodeTree()
  readonly #latencyMs: () => Ms
  readonly #onChange: (changes: readonly Change[], actor: Actor) => void
  readonly #registrations: Registration[] = []
  readonly #disposed = new AbortController()
  #runs = true
  #count = 0x100n

  constructor(given: {
    readonly clock: Clock
    readonly latencyMs?: () => Ms
    /** Told at once of what a session has changed, or of what its end has. */
    readonly onChange?: (changes: readonly Change[], actor: Actor) => void
  }) {
    this.clock = given.clock
    this.#onChange = given.onChange ?? (() => {})
    this.#latencyMs = given.latencyMs ?? (() => 0)
  }

  /** Opens a session. Fault `unavailable` without a quorum. */
  async connect(
    options: { readonly sessionMs?: Ms; readonly secret?: string } = {}
  ): Promise<FakeSession> {
    if (!this.#runs) throw new Fault('unavailable', 'cannot open a session: no server answers')
    const id = this.#count++
    const secret = options.secret ?? 'fake:secret'
    const registration: Registration = {
      id,
      timeoutMs: options.sessionMs ?? sessionMsDefault,
      actor: { session: id, secret },
      client: new FakeSession(this, id, options.sessionMs ?? sessionMsDefault),
      gone: new AbortController(),
      heardAt: this.clock.monotonic(),
      lives: true
    }
    this.#registrations.push(registration)
    void this.#watchOver(registration)
    registration.client.start(registration)
    return registration.client
  }

  /** Breaks a session's connection; there is no other until `heal`. */
  cut(session: FakeSession): void {
    session.faults.cut = true
    session.broke('the connection was reset')
  }
  heal(session: FakeSession): void {
    session.faults.cut = false
    session.tryConnecting()
  }
  /** From now on all that is under way stays under way. */
  hold(session: FakeSession): void {
    session.up.held ??= []
    session.down.held ??= []
  }
  /** All that was held arrives, in order. */
  release(session: FakeSession): void {
    // Who is paused hears nothing.
    for (const way of session.paused ? [session.up] : [session.up, session.down]) {
      const held = way.held ?? []
      way.held = undefined
      for (const deliver of held) deliver()
    }
    session.tryConnecting()
  }
  /** The next requests are lost on their way, each with the connection. */
  loseRequests(session: FakeSession, count = 1): void {
    session.faults.requestsToLose = count
  }
  /** The next requests are carried out, but their replies are lost, each with the connection. */
  loseReplies(session: FakeSession, count = 1): void {
    session.faults.repliesToLose = count
  }
  /** The next requests are never sent: the session is disconnected just then. */
  refuse(session: FakeSession, count = 1): void {
    session.faults.toRefuse = count
  }
  /**
   * Its server falls behind: what others do is not read and not told any more, until it is told to
   * catch up, by a `sync` or by a transaction of this session.
   */
  fallBehind(session: FakeSession): void {
    session.behind ??= this.tree.copy()
  }
  /** Stops the process of the session: it sends nothing, hears nothing and sees no time pass. */
  pause(session: FakeSession): void {
    session.pause()
  }
  resume(session: FakeSession): void {
    session.resume()
  }
  /** Ends a session as if its time had run out. */
  expire(session: FakeSession): void {
    const registration = this.#registrations.find(({ client }) => client === session)
    if (registration?.lives) this.#end(registration)
  }
  /** Changes znodes from outside, as an operator may. */
  meddle(operations: readonly Operation[], actor: Actor): void {
    this.#tell(this.tree.transact(operations, actor).changes, actor)
  }
  /** Takes the quorum away: no request is carried out, no session ends. */
  stop(): void {
    this.#runs = false
    for (const { client } of this.#registrations) client.broke('there is no quorum')
  }
  /** The quorum is back, and all sessions have their whole time again. */
  start(): void {
    this.#runs = true
    for (const registration of this.#registrations) registration.heardAt = this.clock.monotonic()
    for (const { client } of this.#registrations) client.tryConnecting()
  }

  /** Whether servers answer; for sessions. */
  get runs(): boolean {
    return this.#runs
  }

  /** Lets something arrive, now or after its time; for sessions. */
  carry(way: Way, deliver: () => void): void {
    const arrive = () => {
      if (way.held === undefined) deliver()
      else way.held.push(deliver)
    }
    const now = this.clock.monotonic()
    const at = Math.max(way.last, now + this.#latencyMs())
    way.last = at
    if (at <= now) {
      arrive()
      return
    }
    void this.clock.sleep(at - now).then(() => this.#disposed.signal.aborted || arrive())
  }

  /** A request has arrived; gives what came of it, throws Faults of the tree; for sessions. */
  carryOut<Result>(
    registration: Registration,
    work: (tree: ZnodeTree, actor: Actor) => { result: Result; changes?: readonly Change[] }
  ): Result {
    registration.heardAt = this.clock.monotonic()
    const { result, changes } = work(this.tree, registration.actor)
    this.#tell(changes ?? [], registration.actor)
    return result
  }

  /** A session says goodbye; for sessions. */
  close(registration: Registration): void {
    if (registration.lives && this.#runs) this.#end(registration)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of [...this.#registrations]) await client[Symbol.asyncDispose]()
    this.#disposed.abort(new Fault('closed', 'the fake ensemble is gone'))
  }

  async #watchOver(registration: Registration): Promise<void> {
    try {
      while (registration.lives) {
        const leftMs = registration.heardAt + registration.timeoutMs - this.clock.monotonic()
        if (leftMs <= 0 && this.#runs) return this.#end(registration)
        const waitMs = leftMs > 0 ? leftMs : registration.timeoutMs
        await this.clock.sleep(waitMs, registration.gone.signal)
      }
    } catch {
      // The session is gone.
    }
  }

  #end(registration: Registration): void {
    registration.lives = false
    registration.gone.abort(new Fault('closed', 'the session is gone'))
    this.#registrations.splice(this.#registrations.indexOf(registration), 1)
    this.#tell(this.tree.end(registration.id), registration.actor)
    registration.client.wasExpired()
  }

  #tell(changes: readonly Change[], actor: Actor): void {
    if (changes.length === 0) return
    this.#onChange(changes, actor)
    for (const { client } of [...this.#registrations]) client.changed(changes)
  }
}
