import type { Clock } from './clock.ts'
import { Fault } from './fault.ts'
import type { Ms } from './units.ts'

const settled = 'it is settled'

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
  const over = new AbortController()
  const stop = (): void => over.abort(signal.reason)
  if (signal.aborted) stop()
  // Not a joint signal: those are made for waits that are few, and a deadline is for any.
  else signal.addEventListener('abort', stop, { once: true })
  const timer = clock
    .sleep(deadlineMs, over.signal)
    .then(() => Promise.reject(new Fault('deadline', late)))
  timer.catch(() => {})
  try {
    return await Promise.race([promise, timer])
  } catch (thrown) {
    signal.throwIfAborted()
    throw thrown
  } finally {
    signal.removeEventListener('abort', stop)
    over.abort(settled)
  }
}
