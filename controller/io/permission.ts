/**
 * Whether this candidate may stand for election. Who was taken out of the signed list does not: it
 * would lead, and no host would let it in, so that nobody led the cloud.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { isTakenOut } from '../core/bootstrap.ts'
import type { View } from '../core/view.ts'

/** How soon it is noticed. Unit: ms. */
const lookMs: Ms = 250

/** Looks at what is recorded, as far as this candidate has followed it. */
export class Permission {
  readonly #view: () => View
  readonly #who: { readonly name: string; readonly meshKey: string }
  readonly #clock: Clock

  constructor(
    view: () => View,
    who: { readonly name: string; readonly meshKey: string },
    clock: Clock
  ) {
    this.#view = view
    this.#who = who
    this.#clock = clock
  }

  /** Waits until it may stand; `waits` is told why it may not. */
  async given(signal: AbortSignal, waits: (because: string) => void): Promise<undefined> {
    while (!signal.aborted && this.#isTaken()) {
      waits(this.#because())
      await this.#clock.sleep(lookMs, signal).catch(() => undefined)
    }
  }

  /** Waits until it may stand no more. */
  async taken(signal: AbortSignal): Promise<undefined> {
    while (!signal.aborted && !this.#isTaken()) {
      await this.#clock.sleep(lookMs, signal).catch(() => undefined)
    }
  }

  /** Fault `forbidden`: it may not lead. */
  assert(): void {
    if (this.#isTaken()) throw new Fault('forbidden', this.#because())
  }

  #isTaken(): boolean {
    return isTakenOut(this.#view().cloud, this.#who)
  }

  #because(): string {
    const { name } = this.#who
    return `${name} was taken out of the list of candidates; remuda cluster candidate allow ${name}`
  }
}
