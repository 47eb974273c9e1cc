import type { Clock } from './clock.ts'
import { Fault } from './fault.ts'
import type { Ms } from './units.ts'

/**
 * Waits for a promise no longer than a deadline. Fault `deadline` with the given sentence when it
 * takes longer; the signal's reason when that aborts first. The promise itself goes on.
 */
export async function within<Result>(
  promise: Promise<Result>,
  options: {
    readonly clock: Clock
    readonly deadlineMs: Ms
    readonly signal: AbortSignal
    readonly late: string
  }
): Promise<Result> {
  const { clock, deadlineMs, signal, late } = options
  const settled = new AbortController()
  const timer = clock
    .sleep(deadlineMs, AbortSignal.any([signal, settled.signal]))
    .then(() => Promise.reject(new Fault('deadline', late)))
  timer.catch(() => {})
  try {
    return await Promise.race([promise, timer])
  } catch (thrown) {
    signal.throwIfAborted()
    throw thrown
  } finally {
    settled.abort()
  }
}
