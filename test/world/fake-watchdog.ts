import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { TimeLeft, Watchdog, WatchdogFacts } from '../../agent/core/ports.ts'

/** A watchdog that nobody can stop, with its keeper: both outlive the programs that open it. */
export class FakeWatchdog implements Watchdog {
  readonly #clock: Clock
  readonly #onBite: () => void
  #bitesAt: Ms | undefined
  #isOpen = false
  facts: WatchdogFacts = {
    kind: 'hardware',
    identity: 'fake',
    timeoutMs: 10_000,
    nowayout: true,
    counts: false,
    kept: 'no',
    because: ''
  }
  /** Lets nobody open it. */
  isBusy = false
  /** How long it takes to look at it. Unit: ms. */
  lookMs: Ms = 0
  bites = 0
  pets = 0

  constructor(clock: Clock, onBite: () => void) {
    this.#clock = clock
    this.#onBite = onBite
  }

  async look(): Promise<WatchdogFacts> {
    if (this.lookMs > 0) await this.#clock.sleep(this.lookMs)
    return {
      ...this.facts,
      counts: this.#bitesAt !== undefined,
      kept: this.#isOpen ? 'apart' : 'no'
    }
  }

  async open(within: TimeLeft): Promise<WatchdogFacts> {
    if (this.isBusy || within() <= 0) {
      throw new Fault('unavailable', 'cannot open the watchdog: busy')
    }
    if (!this.#isOpen) {
      this.#isOpen = true
      const isNew = this.#bitesAt === undefined
      this.#reset()
      if (isNew) void this.#count()
    }
    return this.look()
  }

  pet(within: TimeLeft): void {
    if (!this.#isOpen) throw new Fault('unavailable', 'nobody holds it')
    if (within() <= 0) return
    this.pets += 1
    this.#reset()
  }

  /** The program that pets it ends; its keeper goes on. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** Its keeper is killed: the kernel closes it, and pets it once more. */
  keeperKilled(): void {
    if (this.#isOpen) this.#reset()
    this.#isOpen = false
  }

  /** The machine has no power: it counts no more. */
  powerCut(): void {
    this.#bitesAt = undefined
    this.#isOpen = false
  }

  #reset(): void {
    this.#bitesAt = this.#clock.monotonic() + this.facts.timeoutMs
  }

  async #count(): Promise<void> {
    while (this.#bitesAt !== undefined && this.#clock.monotonic() < this.#bitesAt) {
      await this.#clock.sleep(this.#bitesAt - this.#clock.monotonic())
    }
    if (this.#bitesAt === undefined) return
    this.#bitesAt = undefined
    this.#isOpen = false
    this.bites += 1
    this.#onBite()
  }
}
