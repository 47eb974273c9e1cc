/**
 * The trace of who leads: a znode that it changes twice a second, in a transaction that finds its
 * own candidate's znode.
 *
 * Hosts without a fence device live by leases (core/self-fence.ts), and who leads next must know
 * since when none can have begun. Its own beginning is a safe answer, but a late one: a session and
 * one or two elections after the machine of the controller has lost its power. So a controller
 * gives leases only for heartbeats that it has heard before it sent a change of the trace which was
 * then acknowledged. All others watch the trace:
 *
 *   controller   heartbeat heard ─► change sent ─► acknowledged ─► echoed: a lease that counts
 *                                       │                          from the heartbeat's sending
 *   candidate                           └─► seen at t ─────────► leads; the trace is as it was at t
 *
 * What is seen at t was sent before t. If it is the last change, all leases count from before t,
 * whatever the controller before did when we no longer heard of it: it may be cut off with its own
 * host and echo that host's heartbeats to it, but only those from before t. That it is the last one
 * is read when we are first among the candidates. Then the znode of the one before is gone, so it
 * can change the trace no more, and what it changed before is in whatever the same session reads
 * after it. If the trace is not as it was last seen, all leases count from before that reading.
 *
 * No clock is asked but our own, and no session's time. What was seen outlives our sessions: where
 * the leader of the ensemble dies with the controller, those of all candidates may end.
 */
import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'

/** Is changed by who leads. */
export const tracePath = '/remuda/trace'

/** What a program has seen of the trace, in all of its candidacies. */
export class TraceSeen {
  #last: { readonly change: string; readonly at: Ms } | undefined

  /** When it was first seen to be so. */
  since(change: string, now: Ms): Ms {
    if (this.#last?.change !== change) this.#last = { change, at: now }
    return this.#last.at
  }
}

/** One for each candidacy. */
export class LeadTrace {
  readonly #session: ZooKeeperSession
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #seen: TraceSeen
  #leftAt: Ms | undefined

  constructor(
    session: ZooKeeperSession,
    given: { readonly clock: Pick<Clock, 'monotonic'>; readonly seen: TraceSeen }
  ) {
    this.#session = session
    this.#clock = given.clock
    this.#seen = given.seen
  }

  /** Notes each change when it is seen, until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    for await (const _ of this.#session.watch(tracePath, { signal })) await this.#look()
  }

  /** Asked by who is first: no lease of anybody before counts from later than this moment. */
  async ended(): Promise<Ms> {
    return await this.#look()
  }

  async #look(): Promise<Ms> {
    const node = await this.#session.read(tracePath)
    const now = this.#clock.monotonic()
    if (!node) return now
    // The transaction and who made it: no two are the same, not even those of two ensembles.
    return this.#seen.since(`${node.stat.modified} ${Buffer.from(node.bytes).toString()}`, now)
  }

  /** Changes the trace, as the candidate of this path, which must still be there. */
  async leave(candidate: string): Promise<void> {
    const at = this.#clock.monotonic()
    const bytes = Buffer.from(`${candidate} ${this.#session.id}`)
    await this.#session.transact([
      { op: 'check', path: candidate, version: 'any' },
      { op: 'set', path: tracePath, bytes, version: 'any' }
    ])
    this.#leftAt = at
  }

  /** Before this the change was sent that was acknowledged last; undefined: none was. */
  get leftAt(): Ms | undefined {
    return this.#leftAt
  }
}
