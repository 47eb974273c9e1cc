import { setTimeout as sleep } from 'node:timers/promises'
import { LoopLag } from './loop-lag.ts'
import type { Ms } from './units.ts'

/** Time as a part may see it: a wall clock to write down, a monotonic one to measure by, a wait. */
export interface Clock {
  /** Milliseconds since 1970, for records that people read. It may jump. */
  wall(): Ms
  /** Milliseconds since some fixed moment. It never jumps; all deadlines are counted on it. */
  monotonic(): Ms
  /** Waits; rejects with the signal's reason when that is aborted first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
  /** Measures from now on how late the program does what is due; made time is never late. */
  lag(): Lag
}

/** How late a program's event loop is. */
export interface Lag extends Disposable {
  /** The worst since the take before the last; 0: never late. Unit: ms, in hundredths. */
  take(): Ms
}

/** The clocks of the machine; a wait that is aborted rejects with an `AbortError`. */
export const realClock: Clock = {
  wall: () => Date.now() as Ms,
  monotonic: () => performance.now() as Ms,
  sleep: async (durationMs, signal) => {
    await sleep(Math.max(0, durationMs), undefined, signal ? { signal } : {})
  },
  lag: () => new LoopLag()
}
