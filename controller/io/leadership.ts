import type { Ms } from '#shared/units.ts'
import type { Election, SharedElection, Won } from '../core/ports.ts'

/**
 * Whether this candidate may act. It may from when it leads until the lead is lost, given up, or no
 * longer certain, and then never again: a program reigns once. Everything that changes something
 * asks here at the last moment before it leaves:
 *
 * - a commit, before it is folded (`Reign.record`); the journal itself refuses an old epoch;
 * - orders, after all that they were made of is recorded (`Reign.#orderSome`);
 * - every message to an agent, when it is handed to the socket (`ControllerMesh`), with the epoch
 *   in it, of which agents refuse all but the highest that they have seen;
 * - the answer to a write, also where nothing had to be recorded (`CandidateFront`).
 */
export class Leadership implements Pick<Election, 'alone' | 'holds' | 'leasesUntil'> {
  readonly alone = false
  #election: SharedElection | undefined
  #leasedUntil: Ms | undefined
  #isRetired = false
  #isOver = false

  /** The election is won and the epoch is ours. */
  begin(election: SharedElection, { leasedUntil }: Pick<Won, 'leasedUntil'> = {}): void {
    if (this.#isOver) return
    this.#election = election
    this.#leasedUntil = leasedUntil
  }

  /** It is being handed over: nothing new may begin. */
  retire(): void {
    this.#isRetired = true
  }
  get isRetired(): boolean {
    return this.#isRetired
  }

  /** It is over, for good. */
  end(): void {
    this.#isOver = true
  }

  /** Whether it leads or has led; only `holds` says whether it may still act. */
  get hasBegun(): boolean {
    return this.#election !== undefined
  }
  get isOver(): boolean {
    return this.#isOver
  }

  /** No lease of who led before counts from later than this; undefined: than our beginning. */
  get leasedUntil(): Ms | undefined {
    return this.#leasedUntil
  }

  leasesUntil(now: Ms): Ms | undefined {
    return this.#election?.leasesUntil(now)
  }

  holds(now: Ms): boolean {
    if (this.#isOver || this.#isRetired) return false
    return this.#election?.holds(now) ?? false
  }
}

/** How a candidate ended: to start again as one, or since it was told to stop. */
export type Ending = { readonly restart: boolean; readonly because: string }
