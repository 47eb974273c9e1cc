/** Has GRUB find over TFTP what machines would be given, for as long as boots are served so. */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { Boots } from './boots.ts'
import type { GrubFiles } from './grub-files.ts'

/** Between two looks whether something has changed. Unit: ms. */
const lookMs: Ms = 1_000

/** Keeps the files as they should be. */
export class GrubKeeper {
  readonly #boots: Boots
  readonly #clock: Clock
  readonly #onProblem: (problem: string | undefined) => void
  #files: GrubFiles | undefined
  #isOld = false
  #turn: Promise<void> = Promise.resolve()

  constructor(given: {
    readonly boots: Boots
    readonly clock: Clock
    readonly onProblem: (problem: string | undefined) => void
  }) {
    this.#boots = given.boots
    this.#clock = given.clock
    this.#onProblem = given.onProblem
  }

  /** From now on these are kept; undefined: none, and nobody writes any more once it is over. */
  async use(files: GrubFiles | undefined): Promise<void> {
    this.#files = files
    this.#isOld = true
    await this.#turn
  }

  /** The plan, or what versions there are, is another one now. */
  look(): void {
    this.#isOld = true
  }

  /** Brings the files up to date until the signal aborts; for many machines that takes a while. */
  async keep(signal: AbortSignal): Promise<void> {
    let changes = this.#boots.offerChanges
    while (!signal.aborted) {
      await this.#clock.sleep(lookMs, signal).catch(() => undefined)
      const isOld = this.#isOld || this.#boots.offerChanges !== changes
      if (signal.aborted || this.#files === undefined || !isOld) continue
      this.#isOld = false
      changes = this.#boots.offerChanges
      this.#turn = this.#bring(this.#files)
      await this.#turn
    }
  }

  async #bring(files: GrubFiles): Promise<void> {
    try {
      await files.bring(this.#boots.offers())
      this.#onProblem(undefined)
    } catch (thrown) {
      this.#isOld = true
      this.#onProblem(`the files of GRUB cannot be written: ${sentence(thrown)}`)
    }
  }
}
