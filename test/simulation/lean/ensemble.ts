/**
 * Stands in for ZooKeeper: sessions that end when nothing was heard of them for their time, one
 * who is first among the candidates, an epoch, and a journal that takes entries of this epoch
 * alone. What is lost of it here, replies and servers, the other simulator draws.
 */
import type { Ms } from '#shared/units.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import type { Timeline } from './timeline.ts'

/** Silence after which a session ends. Unit: ms. */
export const sessionMs: Ms = 6_000
/** How often sessions are looked at. Unit: ms. */
const lookMs: Ms = 250

export type LeanEntry = {
  readonly position: number
  readonly epoch: number
  readonly commit: Commit
}

/** One run of a candidate, as the ensemble sees it. */
export type Member = {
  /** Whether it reaches the ensemble, runs, and has a session or asks for one. */
  readonly isThere: () => boolean
  readonly elected: (epoch: number) => unknown
  /** It is connected again, and its session has ended meanwhile. */
  readonly expired: () => unknown
  /** The trace has been changed. */
  readonly traced: (change: number) => unknown
}

/** Before a candidate stands. */
export const nobody: Member = {
  isThere: () => false,
  elected: () => {},
  expired: () => {},
  traced: () => {}
}

type Session = { readonly member: Member; heardAt: Ms }

export class Ensemble {
  readonly entries: LeanEntry[] = []
  epoch = 0
  /** Changes of the trace of who leads, as zookeeper-trace.ts keeps it. */
  traces = 0
  /** Without a quorum nothing is answered, and no session ends. */
  hasQuorum = true
  answersAfterMs: () => Ms
  readonly #timeline: Timeline
  readonly #tell: (entry: LeanEntry) => void
  #sessions: Session[] = []
  /** Whose session has ended, and who have not heard of that. */
  #expired: Member[] = []

  constructor(given: {
    readonly timeline: Timeline
    readonly answersAfterMs: () => Ms
    readonly tell: (entry: LeanEntry) => void
  }) {
    this.#timeline = given.timeline
    this.answersAfterMs = given.answersAfterMs
    this.#tell = given.tell
  }

  /** Who is first among the candidates. */
  get first(): Member | undefined {
    return this.#sessions[0]?.member
  }

  /** A program opens a session and stands. */
  stand(member: Member): void {
    const isFirst = this.#sessions.length === 0
    this.#sessions.push({ member, heardAt: this.#timeline.now })
    if (isFirst) this.#elect()
  }

  /** A session is closed by who has it, or ends. */
  leave(member: Member): void {
    const before = this.first
    this.#sessions = this.#sessions.filter(session => session.member !== member)
    if (this.first !== before) this.#elect()
  }

  /** A request of a session has come. */
  touch(member: Member): void {
    for (const session of this.#sessions) {
      if (session.member === member) session.heardAt = this.#timeline.now
    }
  }

  /** Who is first changes the trace; the others hear of it each in their time. */
  trace(member: Member): void {
    this.traces += 1
    const change = this.traces
    for (const { member: other } of this.#sessions) {
      if (other === member) continue
      this.#timeline.after(this.answersAfterMs(), () => other.isThere() && other.traced(change))
    }
  }

  begin(): void {
    this.#timeline.after(lookMs, () => this.#look())
  }

  #look(): void {
    const { now } = this.#timeline
    for (const session of [...this.#sessions]) {
      if (!this.hasQuorum || session.member.isThere()) session.heardAt = now
      else if (now - session.heardAt > sessionMs) {
        this.leave(session.member)
        this.#expired.push(session.member)
      }
    }
    if (this.hasQuorum && this.#expired.length > 0) {
      const back = this.#expired.filter(member => member.isThere())
      this.#expired = this.#expired.filter(member => !back.includes(member))
      for (const member of back) member.expired()
    }
    this.#timeline.after(lookMs, () => this.#look())
  }

  #elect(): void {
    const { first } = this
    if (!first) return
    this.#timeline.after(20 + this.answersAfterMs(), () => {
      if (this.first !== first) return
      if (!this.hasQuorum || !first.isThere()) return this.#elect()
      this.epoch += 1
      first.elected(this.epoch)
    })
  }

  /** Writes entries, all or none: not in an epoch that is over, nor where one before is missing. */
  write(
    commits: readonly Commit[],
    from: { readonly epoch: number; readonly at: number }
  ): boolean {
    if (from.epoch !== this.epoch || from.at !== this.entries.length + 1) return false
    for (const [index, commit] of commits.entries()) {
      const entry = { position: from.at + index, epoch: from.epoch, commit }
      this.entries.push(entry)
      this.#tell(entry)
    }
    return true
  }
}
