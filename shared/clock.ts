import { setTimeout as sleep } from 'node:timers/promises'
import type { Ms } from './units.ts'

/** Time as a part may see it: a wall clock to write down, a monotonic one to measure by, a wait. */
export interface Clock {
  /** Milliseconds since 1970, for records that people read. It may jump. */
  wall(): Ms
  /** Milliseconds since some fixed moment. It never jumps; all deadlines are counted on it. */
  monotonic(): Ms
  /** Waits; rejects with the signal's reason when that is aborted first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
}

/** The clocks of the machine; a wait that is aborted rejects with an `AbortError`. */
export const realClock: Clock = {
  wall: () => Date.now() as Ms,
  monotonic: () => performance.now() as Ms,
  sleep: async (durationMs, signal) => {
    await sleep(Math.max(0, durationMs), undefined, signal ? { signal } : {})
  }
}
