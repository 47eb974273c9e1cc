/**
 * How much of its log one host may send: so much at once, which is what a whole boot says when its
 * journal is shipped for the first time, and so much on the average after that. A host that says
 * more loses the rest, and that is told in its log; no other host loses anything by it.
 */
import type { Ms } from '#shared/units.ts'

/** What may come at once, and on the average. */
export type LogBounds = { readonly burstBytes: number; readonly bytesPerS: number }

/** What one host may still send. */
export type LogAllowance = {
  readonly bytes: number
  readonly at: Ms
  /** Lines that were left out since one was kept last. */
  readonly leftOut: number
}

/** A host that has sent nothing yet. */
export const freshAllowance = ({ burstBytes }: LogBounds, at: Ms): LogAllowance => ({
  ...{ bytes: burstBytes, at, leftOut: 0 }
})

/** Says whether so much is kept, and how many lines were left out before it. */
export function allow(
  before: LogAllowance,
  asked: { readonly bytes: number; readonly lines: number; readonly now: Ms },
  { burstBytes, bytesPerS }: LogBounds
): { readonly kept: boolean; readonly leftOut: number; readonly after: LogAllowance } {
  const { bytes, lines, now } = asked
  const regained = (Math.max(0, now - before.at) / 1_000) * bytesPerS
  const free = Math.min(burstBytes, before.bytes + regained)
  if (bytes > free) {
    const leftOut = before.leftOut + lines
    return { kept: false, leftOut: 0, after: { bytes: free, at: now, leftOut } }
  }
  return {
    kept: true,
    leftOut: before.leftOut,
    after: { bytes: free - bytes, at: now, leftOut: 0 }
  }
}
