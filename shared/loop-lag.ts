import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Ms } from './units.ts'

/** How finely the loop's lateness is measured. Unit: ms. */
const resolutionMs = 10

/**
 * Measures how late this program's event loop is: how long a due timer had to wait at worst.
 *
 * A histogram misses what follows right after its reset, which is when a loop that has just sent
 * its heartbeat is busiest. So there are two that take turns, and each covers two takes.
 */
export class LoopLag implements Disposable {
  #older = started()
  #newer = started()

  /** The worst since the take before the last; 0: never late. Unit: ms, in hundredths. */
  take(): Ms {
    const worstMs = this.#older.count > 0 ? this.#older.max / 1e6 - resolutionMs : 0
    this.#older.reset()
    const older = this.#older
    this.#older = this.#newer
    this.#newer = older
    return Math.max(0, Math.round(worstMs * 100) / 100)
  }

  [Symbol.dispose](): void {
    this.#older.disable()
    this.#newer.disable()
  }
}

function started() {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs })
  delays.enable()
  return delays
}
