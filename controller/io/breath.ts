import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'

/** Long work holds the event loop at most about so long at a time. Unit: ms. */
const holdMs: Ms = 10

/**
 * Makes what long work calls again and again. It gives something to wait for when it is time to let
 * others have their turn; to wait each time would make short steps slow.
 */
export function breathing(clock: Pick<Clock, 'monotonic'>): () => Promise<void> | undefined {
  let since = clock.monotonic()
  const pause = async (): Promise<void> => {
    await setImmediate()
    since = clock.monotonic()
  }
  return () => (clock.monotonic() - since < holdMs ? undefined : pause())
}

/** Takes the steps of long work with breaths between them, unless nobody waits for it any more. */
export async function breathed<Result>(
  steps: Generator<undefined, Result>,
  clock: Pick<Clock, 'monotonic'>,
  signal: AbortSignal | undefined
): Promise<Result> {
  const breath = breathing(clock)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    if (signal?.aborted) throw new Fault('aborted', 'the client is gone')
    await breath()
  }
}
