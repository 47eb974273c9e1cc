import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'

/** Long work holds the event loop at most about so long at a time. Unit: ms. */
const holdMs: Ms = 10

/** Makes what long work calls again and again: it lets others have their turn when it is time. */
export function breathing(clock: Pick<Clock, 'monotonic'>): () => Promise<void> {
  let since = clock.monotonic()
  return async () => {
    if (clock.monotonic() - since < holdMs) return
    await setImmediate()
    since = clock.monotonic()
  }
}
