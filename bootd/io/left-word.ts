/** Where others on this machine find bootd, left in its state folder: tried until it is there. */
import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'
import { storageTrouble } from './storage-trouble.ts'

/** Between two tries. Unit: ms. */
const againMs: Ms = 5_000

/**
 * Leaves word once it is tried for the first time; `over` resolves once it was left, or the signal
 * aborts. A disk that is full must not keep bootd from what needs no disk.
 */
export async function leaveWordUntilLeft(
  leave: () => Promise<void>,
  given: {
    readonly clock: Clock
    /** Told why nobody finds us yet, and when they do. */
    readonly onProblem: (problem: string | undefined) => void
  },
  signal: AbortSignal
): Promise<{ readonly over: Promise<void> }> {
  const { clock, onProblem } = given
  const isLeft = async (): Promise<boolean> => {
    try {
      await leave()
      onProblem(undefined)
      return true
    } catch (thrown) {
      const because = storageTrouble(thrown)
      onProblem(`a controller on this machine may not find this bootd: ${because}`)
      return false
    }
  }
  const goOn = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(againMs, signal).catch(() => undefined)
      if (!signal.aborted && (await isLeft())) return
    }
  }
  return { over: (await isLeft()) ? Promise.resolve() : goOn() }
}
