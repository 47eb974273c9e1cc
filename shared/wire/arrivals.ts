/**
 * Tells messages that are fresh from those that came before or came too late.
 *
 * Each sender numbers its messages; one whose number is not higher than the last is a repetition.
 *
 * Lateness needs more thought, since the clocks of two machines cannot be compared. But the
 * difference between when a message was sent (sender's clock) and when it arrived (ours) is the
 * same for all messages of a run, plus the time on the way. The smallest difference of the last
 * minutes stands for the quickest way; what a message needed beyond that, it waited somewhere: in a
 * queue, or in a cut connection that healed. When that wait exceeds what the message says it is
 * good for, it is late.
 *
 * A clock that jumped (a machine that was suspended) makes all messages look late for good. A real
 * stall does not last: fresh messages follow the late ones. So when nothing but late ones came for
 * `resyncMs`, the difference is learnt anew.
 */
import type { Ms } from '../units.ts'
import type { Header } from './frame.ts'

/** Runs of senders that are remembered; the one not heard for longest is forgotten first. */
export const runsMax = 16
/** The quickest way is looked for in this time and in as long before it. Unit: ms. */
export const windowMs = 60_000
/** So long only late messages are put down to a delay, after it to a clock. Unit: ms. */
export const resyncMs = 5_000

type Run = {
  number: number
  smallest: number
  smallestBefore: number
  windowFrom: Ms
  lateFrom: Ms | undefined
}

/** What a message is by its header alone. */
export type Arrival = 'fresh' | 'repeated' | 'late'

/** Remembers what has arrived from each run of each sender. */
export class Arrivals {
  readonly #runs = new Map<string, Run>()
  /** The run that was heard last. */
  #latest = ''

  /** Judges a message by its header, and remembers it. `now` is our monotonic clock. */
  judge(header: Header, now: Ms): Arrival {
    const difference = now - header.sentAtMs
    const known = this.#runs.get(header.run)
    const run = known ?? startOf(difference, now)
    if (known !== undefined && header.number <= run.number) return 'repeated'
    run.number = header.number
    this.#remember(header.run, run)
    if (now - run.windowFrom >= windowMs) {
      run.smallestBefore = run.smallest
      run.smallest = Number.POSITIVE_INFINITY
      run.windowFrom = now
    }
    const waited = difference - Math.min(run.smallest, run.smallestBefore, difference)
    if (waited <= header.validMs) {
      run.smallest = Math.min(run.smallest, difference)
      run.lateFrom = undefined
      return 'fresh'
    }
    run.lateFrom ??= now
    if (now - run.lateFrom < resyncMs) return 'late'
    Object.assign(run, { ...startOf(difference, now), number: header.number })
    return 'fresh'
  }

  #remember(name: string, run: Run): void {
    if (name === this.#latest) return
    this.#latest = name
    this.#runs.delete(name)
    this.#runs.set(name, run)
    if (this.#runs.size <= runsMax) return
    for (const oldest of this.#runs.keys()) {
      this.#runs.delete(oldest)
      return
    }
  }
}

const startOf = (difference: number, now: Ms): Run => ({
  number: 0,
  smallest: difference,
  smallestBefore: difference,
  windowFrom: now,
  lateFrom: undefined
})
