/**
 * Candidates that live and die on a fake ensemble in virtual time, with what they did written down.
 * Each stands, leads, appends in pipelines, recovers as a controller does, and comes back as a new
 * candidate when it has lost.
 */
import assert from 'node:assert/strict'
import { Fault, isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import type { Position, SharedElection, SharedJournal } from '../../../controller/core/ports.ts'
import { zooKeeperElection } from '../../../controller/io/election/zookeeper.ts'
import { TraceSeen } from '../../../controller/io/election/zookeeper-trace.ts'
import { openZooKeeperJournal } from '../../../controller/io/journal/zookeeper.ts'
import type { FakeClock } from '../../world/fake-clock.ts'
import type { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import type { FakeSession } from '../../world/fake-zookeeper-session.ts'
import { numbered } from '../../world/numbered-commits.ts'

/** Numbers of a seed: [0, 1). */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What happened, for the judgement at the end. */
export class Record {
  readonly acknowledged: { readonly position: Position; readonly commit: Commit }[] = []
  /** Appends by who had lost already count as `late`; all of them must have been refused. */
  readonly counts = { late: 0, unknown: 0, recovered: 0, steppedDown: 0, held: 0 }
  /** Each raise of the epoch with the head that it has found. */
  readonly reigns: { readonly epoch: number; readonly head: Position }[] = []
  /** Elections that were won, with until when any candidate before may have given leases. */
  readonly wins: Win[] = []
  number = 0

  /** Notes until when each winner says that it may give leases, which only becomes later. */
  noteLeases(now: Ms): void {
    for (const win of this.wins) {
      win.leases = Math.max(win.leases, win.election.leasesUntil(now) ?? win.leases)
    }
  }
}

/** One election that was won. Unit: ms. */
export type Win = {
  readonly election: SharedElection
  readonly at: Ms
  readonly leasedUntil: Ms
  leases: Ms
}

/** One candidate at a time of one process. */
export class FaultyCandidate {
  readonly clock: FakeClock
  readonly #ensemble: FakeZooKeeper
  readonly #record: Record
  readonly #chance: () => number
  readonly #stop: AbortSignal
  readonly #name: string
  readonly #seen = new TraceSeen()
  session: FakeSession | undefined
  election: SharedElection | undefined

  constructor(given: {
    readonly clock: FakeClock
    readonly ensemble: FakeZooKeeper
    readonly record: Record
    readonly chance: () => number
    readonly stop: AbortSignal
    readonly name: string
  }) {
    this.clock = given.clock
    this.#ensemble = given.ensemble
    this.#record = given.record
    this.#chance = given.chance
    this.#stop = given.stop
    this.#name = given.name
  }

  /** Lives until it is stopped. */
  async live(): Promise<void> {
    while (!this.#stop.aborted) {
      try {
        await this.#stand()
      } catch (thrown) {
        const isExpected = thrown instanceof Fault || (thrown as Error).name === 'AbortError'
        assert(isExpected || this.#stop.aborted, thrown as Error)
      }
      if (!this.#stop.aborted) await this.clock.sleep(50 + 500 * this.#chance())
    }
  }

  /** Whether it would act at this moment. */
  holds(): boolean {
    return this.election?.holds(this.clock.monotonic()) ?? false
  }

  async #stand(): Promise<void> {
    const { clock } = this
    await using session = await this.#ensemble.connect({ sessionMs: 4_000 })
    this.session = session
    await using election = zooKeeperElection(session, {
      name: this.#name,
      log: silentLog,
      clock,
      seen: this.#seen
    })
    this.election = election
    const { proof } = election
    await using journal = await openZooKeeperJournal(session, { log: silentLog, proof })
    const { lost, leasedUntil } = await election.lead(this.#stop)
    const at = clock.monotonic()
    const leases = Number.NEGATIVE_INFINITY
    this.#record.wins.push({ election, at, leasedUntil: leasedUntil ?? at, leases })
    await this.#lead(journal, election, AbortSignal.any([lost, this.#stop]))
  }

  async #lead(journal: SharedJournal, election: SharedElection, lost: AbortSignal): Promise<void> {
    const epoch = await this.#raise(journal)
    const reign = { epoch }
    try {
      await this.#reign(reign, { journal, election, lost })
    } finally {
      // It tries even so: nothing of it may get through once another has raised the epoch.
      const refused = await this.#append(journal, reign.epoch)
      this.#record.counts.late += refused.length
    }
  }

  async #reign(
    reign: { epoch: number },
    given: {
      readonly journal: SharedJournal
      readonly election: SharedElection
      readonly lost: AbortSignal
    }
  ): Promise<void> {
    const { journal, election, lost } = given
    while (!lost.aborted) {
      if (this.holds()) this.#record.counts.held += 1
      const failures = await this.#append(journal, reign.epoch)
      if (failures.length > 0) {
        this.#record.counts.unknown += 1
        reign.epoch = await this.#recover(journal, lost)
      }
      if (this.#chance() < 0.002) {
        this.#record.counts.steppedDown += 1
        await election.stepDown('chance has it so')
      }
      if (!lost.aborted) await this.clock.sleep(100 * this.#chance(), lost)
    }
  }

  /** Several at once; gives what failed. */
  async #append(journal: SharedJournal, epoch: number): Promise<readonly unknown[]> {
    const count = 1 + Math.floor(12 * this.#chance())
    const appends = Array.from({ length: count }, async () => {
      this.#record.number += 1
      const commit = numbered(this.#record.number)
      const position = await journal.append(commit, { epoch })
      this.#record.acknowledged.push({ position, commit })
    })
    const outcomes = await Promise.allSettled(appends)
    return outcomes.flatMap(each => (each.status === 'rejected' ? [each.reason] : []))
  }

  async #recover(journal: SharedJournal, lost: AbortSignal): Promise<number> {
    for (;;) {
      lost.throwIfAborted()
      try {
        await this.clock.sleep(50, lost)
        const head = await journal.recover()
        const epoch = await this.#raise(journal)
        assert(this.#record.reigns.at(-1)!.head === head, 'nothing came between')
        this.#record.counts.recovered += 1
        return epoch
      } catch (thrown) {
        if (!isFault(thrown, 'unavailable')) throw thrown
      }
    }
  }

  async #raise(journal: SharedJournal): Promise<number> {
    const epoch = await journal.raiseEpoch()
    this.#record.reigns.push({ epoch, head: journal.head() })
    return epoch
  }
}
