/**
 * What the program for heartbeats on storage is in virtual time: it writes to disks in memory, and
 * looks at them, as often as the real one does.
 */
import type { Clock } from '#shared/clock.ts'
import {
  type StorageBeat,
  storageBeatMs,
  storageLookMs
} from '../../agent/core/storage-heartbeats.ts'
import type { HeartbeatNews, HeartbeatWish } from '../../agent/io/storage-heartbeat-mail.ts'
import type { HeartbeatProgram, HeartbeatTold } from '../../agent/io/storage-heartbeats.ts'

/** What lies on the disks, by pool and UUID of the host. */
export type BeatDisks = Map<string, StorageBeat>

/** Starts it; what it writes gets to the disks while `reaches` says so. */
export function startBeater(
  given: { readonly clock: Clock; readonly disks: BeatDisks; readonly reaches: () => boolean },
  { news }: HeartbeatTold
): HeartbeatProgram {
  const { clock, disks, reaches } = given
  const stop = new AbortController()
  let wish: HeartbeatWish | undefined
  let wroteAt: number | undefined
  const beat = (number: number): void => {
    if (!wish || !reaches()) return
    const now = clock.monotonic()
    const { host, bootId, state } = wish
    for (const { name } of wish.pools) {
      disks.set(`${name}/${host}`, { host, bootId, state, number, monotonicMs: now })
      wroteAt = now
    }
  }
  const look = (): readonly HeartbeatNews[] => {
    const at = clock.monotonic()
    return (wish?.pools ?? []).map(({ name: pool }) => ({
      pool,
      ...(wroteAt !== undefined && { wroteAt }),
      looks: (reaches() ? wish!.neighbours : []).map(host => {
        const found = disks.get(`${pool}/${host}`)
        return { host, beganAt: at, endedAt: at, ...(found && { beat: found }) }
      })
    }))
  }
  const run = async (): Promise<void> => {
    for (let tick = 0; !stop.signal.aborted; tick += 1) {
      const beats = storageBeatMs / storageLookMs
      if (tick % beats === 0) beat(tick / beats)
      if (wish) news(look())
      await clock.sleep(storageLookMs, stop.signal).catch(() => {})
    }
  }
  const running = run()
  return {
    now: () => clock.monotonic(),
    send: mail => {
      if (mail.type === 'wish') wish = mail
    },
    end: async () => {
      stop.abort()
      await running
    }
  }
}
