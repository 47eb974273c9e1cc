/** When a daemon that ended is started again. */

/** A controller that was deposed ends with this, and is wanted back as a candidate at once. */
export const deposedCode = 75

const firstMs = 200
const longestMs = 5_000
/** One that ran for so long has come up well: its next end is the first again. */
const wellMs = 10_000

/** What is remembered of a daemon's ends. */
export type Restarts = {
  /** Ends in a row that came soon after the start. */
  readonly early: number
  readonly waitMs: number
}

/** Before it has ended once. */
export const noRestarts: Restarts = { early: 0, waitMs: 0 }

/** Counts an end, and says how long to wait before the next start. Unit: ms. */
export function afterEnd(
  before: Restarts,
  { code, ranMs }: { readonly code: number; readonly ranMs: number }
): Restarts {
  const early = ranMs >= wellMs ? 0 : before.early
  const backOff = Math.min(firstMs * 2 ** Math.min(early, 10), longestMs)
  if (code !== deposedCode) return { early: early + 1, waitMs: backOff }
  // One that is deposed again and again at its very start waits like any other.
  return early < 3 ? { early: early + 1, waitMs: 0 } : { early: early + 1, waitMs: backOff }
}
