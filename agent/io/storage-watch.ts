/**
 * Looks at the storage beside the loop, since a disk may take its time. What it finds counts only
 * when no step has changed the storage meanwhile; otherwise it looks again.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Mib, Ms } from '#shared/units.ts'
import type { OrderPool } from '#shared/wire/order.ts'
import type { Hardware } from '../core/ports.ts'
import type { Eyes, StorageFindings } from './eyes.ts'

/** How long after a look the next one begins. Unit: ms. */
const storageLookMs: Ms = 5_000

/** What a look at the storage found, and how much memory was free then. */
export type Findings = StorageFindings & { readonly memoryFreeMib: Mib | undefined }

/** One look at a time; asked in each round. */
export class StorageWatch {
  readonly #eyes: Eyes
  readonly #hardware: Hardware
  readonly #clock: Clock
  readonly #log: Log
  readonly #onFound: () => void
  #found: { readonly revision: number; readonly findings: Findings } | undefined
  #looking: Promise<void> | undefined
  #nextAt: Ms = Number.NEGATIVE_INFINITY
  #revision = 0

  constructor(given: {
    readonly eyes: Eyes
    readonly hardware: Hardware
    readonly clock: Clock
    readonly log: Log
    readonly onFound: () => void
  }) {
    this.#eyes = given.eyes
    this.#hardware = given.hardware
    this.#clock = given.clock
    this.#log = given.log
    this.#onFound = given.onFound
  }

  /** When it is to be asked again. */
  get nextAt(): Ms {
    return this.#looking === undefined ? this.#nextAt : Number.POSITIVE_INFINITY
  }

  /** A step has changed the storage: what is being found is out of date. */
  change(): void {
    this.#revision++
  }

  /** Something is waited for that others bring about: the next round looks. */
  lookSoon(): void {
    this.#revision++
    this.#nextAt = Number.NEGATIVE_INFINITY
  }

  /** What was found last, once; undefined: nothing new, or it is out of date. */
  take(): Findings | undefined {
    const found = this.#found
    this.#found = undefined
    if (found === undefined) return undefined
    if (found.revision === this.#revision) return found.findings
    this.#nextAt = Number.NEGATIVE_INFINITY
    return undefined
  }

  /** Begins a look when it is time for one and none is going on. */
  lookWhenDue(pools: readonly OrderPool[], last: StorageFindings, signal: AbortSignal): void {
    if (this.#looking !== undefined || this.#clock.monotonic() < this.#nextAt) return
    this.#looking = this.#look(pools, last, signal).finally(() => {
      this.#looking = undefined
      this.#nextAt = this.#clock.monotonic() + storageLookMs
      this.#onFound()
    })
  }

  /** Resolves once no look is going on. */
  async ended(): Promise<void> {
    await this.#looking
  }

  async #look(
    pools: readonly OrderPool[],
    last: StorageFindings,
    signal: AbortSignal
  ): Promise<void> {
    const revision = this.#revision
    try {
      const [storage, memoryFreeMib] = await Promise.all([
        this.#eyes.storage(pools, last, signal),
        this.#hardware.memoryFreeMib().catch(() => undefined)
      ])
      this.#found = { revision, findings: { ...storage, memoryFreeMib } }
    } catch (thrown) {
      if (!signal.aborted) this.#log.warn('storage not seen', { because: sentence(thrown) })
    }
  }
}
