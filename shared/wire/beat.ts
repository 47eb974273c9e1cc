/**
 * The heartbeat. It is sent by the event loop itself, with how late the loop was, since the
 * transport's own heartbeats are answered by a thread that goes on when the program hangs.
 */
import type { Clock } from '../clock.ts'
import type { Ms } from '../units.ts'

/** How often each side says that it is alive. Unit: ms. */
export const heartbeatMs: Ms = 500

/** Calls `send` with the next number at once and then at every beat, until the signal aborts. */
export async function beat(
  options: { readonly clock: Clock; readonly everyMs?: Ms },
  send: (number: number) => void,
  signal: AbortSignal
): Promise<void> {
  const { clock, everyMs = heartbeatMs } = options
  let dueAt = clock.monotonic()
  for (let number = 1; !signal.aborted; number++) {
    send(number)
    dueAt = Math.max(dueAt + everyMs, clock.monotonic())
    await clock.sleep(dueAt - clock.monotonic(), signal).catch(() => {})
  }
}

/** How often an agent judges its own lease, and pets its watchdog. Unit: ms. */
export const petMs: Ms = 500
