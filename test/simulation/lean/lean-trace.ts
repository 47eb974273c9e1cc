import type { Ms } from '#shared/units.ts'

/** What one run of a candidate knows of the trace of who leads; see zookeeper-trace.ts. */
export class LeanTrace {
  /** Before this our own change was sent that was answered last. */
  leftAt: Ms | undefined
  #seen: { readonly change: number; readonly at: Ms } | undefined
  #leasedUntil: Ms | undefined

  see(change: number, at: Ms): void {
    this.#seen = { change, at }
  }

  /** It is first; the trace is at this change, and nobody else changes it any more. */
  lead(change: number, now: Ms): void {
    this.#leasedUntil = this.#seen?.change === change ? this.#seen.at : now
  }

  /** Until when leases of others count, for the fold. */
  get found(): { readonly leasedUntil?: Ms } {
    return this.#leasedUntil === undefined ? {} : { leasedUntil: this.#leasedUntil }
  }
}
