/**
 * Tells every bootd how machines boot, whole and again whenever it is another: unlike fences, which
 * one of them executes at a time, each may serve its own boot network. What is not in the journal
 * yet is told to nobody.
 */
import type { Clock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import { bootPlanOf } from '../core/boot/plan.ts'
import type { View } from '../core/view.ts'

/** The plan is worked out anew at most so often. Unit: ms. */
const planMs: Ms = 1_000
/** And so often where nothing was recorded: what hosts and bootds say is in it too. Unit: ms. */
const unchangedMs: Ms = 10_000
/** What a bootd said that is silent for so long is forgotten. Unit: ms. */
const silentMs: Ms = 60_000

/** What it stands on. */
export type BootPlansOptions = {
  readonly view: View
  readonly epoch: () => number
  readonly mayAct: () => boolean
  /** Resolves once all that the view holds now is in the journal; faults when it will not be. */
  readonly durable: () => Promise<void>
  /** False: it could not be sent. */
  readonly send: (bootd: string, message: ToAgent) => boolean
  readonly clock: Clock
}

/** Keeps what each bootd was told last. */
export class BootPlans {
  readonly #options: BootPlansOptions
  readonly #told = new Map<string, string>()
  #plannedAt: Ms = Number.NEGATIVE_INFINITY
  #position = -1

  constructor(options: BootPlansOptions) {
    this.#options = options
  }

  /** It has lost what it was told, if it has started anew. */
  forget(bootd: string): void {
    this.#told.delete(bootd)
    this.#plannedAt = Number.NEGATIVE_INFINITY
  }

  /** It did not take what it was told, so it is told again, by and by. */
  refused(bootd: string): void {
    this.#told.delete(bootd)
  }

  /** Tells each what it does not know yet. */
  async tell(bootds: readonly string[]): Promise<void> {
    const { view, epoch, mayAct, durable, send, clock } = this.#options
    const now = clock.monotonic()
    const restMs = view.position === this.#position ? unchangedMs : planMs
    if (now - this.#plannedAt < restMs) return
    this.#plannedAt = now
    this.#position = view.position
    view.boots.forgetBefore(now - silentMs)
    view.boots.forgetSought(now)
    const plan = bootPlanOf(view, epoch())
    if (!plan) return
    const text = JSON.stringify(plan)
    const unaware = bootds.filter(name => this.#told.get(name) !== text)
    if (unaware.length === 0) return
    try {
      await durable()
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      return
    }
    if (!mayAct()) return
    for (const name of unaware) if (send(name, plan)) this.#told.set(name, text)
  }
}
