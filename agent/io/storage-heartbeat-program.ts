/**
 * The program that writes heartbeats to shared pools, and reads those of the neighbours.
 *
 * It is a process of its own because storage over a network may hang: a call to it then comes back
 * after minutes or never, cannot be called back, and keeps a thread. In the agent a few of those
 * would hold up all that needs a file, the watchdog among it. Here each pool has one write and one
 * look under way at most, and none waits for that of another pool.
 *
 * It beats also while the agent stands still: what it says is that this machine lives and reaches
 * its storage, and so would what runs here. It ends with the agent.
 */
import type { Ms } from '#shared/units.ts'
import { storageBeatMs, storageLookMs } from '../core/storage-heartbeats.ts'
import { readHeartbeat, writeHeartbeat } from './storage-heartbeat-lane.ts'
import {
  type HeartbeatNews,
  type HeartbeatTaken,
  type HeartbeatWish,
  kernelMs
} from './storage-heartbeat-mail.ts'

/** What is known of a pool since it is wished. */
class Lane {
  readonly path: string
  #isWriting = false
  #isLooking = false
  #wroteAt: Ms | undefined
  #fault: string | undefined
  readonly #looks = new Map<string, HeartbeatNews['looks'][number]>()

  constructor(path: string) {
    this.path = path
  }

  async write(wish: HeartbeatWish, number: number): Promise<void> {
    if (this.#isWriting) return
    this.#isWriting = true
    const beganAt = kernelMs()
    const { host, bootId, state } = wish
    try {
      await writeHeartbeat(this.path, { host, bootId, state, number, monotonicMs: beganAt })
      this.#wroteAt = beganAt
      this.#fault = undefined
    } catch (thrown) {
      this.#fault = (thrown as Error).message
    } finally {
      this.#isWriting = false
    }
  }

  /** One after another: a storage that hangs keeps one thread. */
  async look({ neighbours }: HeartbeatWish): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      for (const host of neighbours) {
        const beganAt = kernelMs()
        const beat = await readHeartbeat(this.path, host).catch(() => undefined)
        this.#looks.set(host, { host, beganAt, endedAt: kernelMs(), ...(beat && { beat }) })
      }
    } finally {
      this.#isLooking = false
    }
  }

  /** What was found since this was last taken. */
  take(pool: string): HeartbeatNews {
    const looks = [...this.#looks.values()]
    this.#looks.clear()
    return {
      pool,
      ...(this.#wroteAt !== undefined && { wroteAt: this.#wroteAt }),
      ...(this.#fault !== undefined && { fault: this.#fault }),
      looks
    }
  }
}

const lanes = new Map<string, Lane>()
let wish: HeartbeatWish | undefined
let number = 0
let ticks = 0
/** Whether the agent has read what was said last: one that stands still gets no more. */
let isTaken = true

function follow(next: HeartbeatWish): void {
  wish = next
  const paths = new Map(next.pools.map(({ name, path }) => [name, path]))
  for (const [name, { path }] of lanes) if (paths.get(name) !== path) lanes.delete(name)
  for (const [name, path] of paths) if (!lanes.has(name)) lanes.set(name, new Lane(path))
}

function tick(): void {
  if (!wish) return
  const isBeat = ticks % Math.round(storageBeatMs / storageLookMs) === 0
  ticks += 1
  if (isBeat) number += 1
  for (const lane of lanes.values()) {
    if (isBeat) void lane.write(wish, number)
    void lane.look(wish).then(tell)
  }
  tell()
}

function tell(): void {
  if (!isTaken || lanes.size === 0 || !process.connected) return
  isTaken = false
  process.send!([...lanes].map(([name, lane]) => lane.take(name)))
}

process.on('message', (mail: HeartbeatWish | HeartbeatTaken) => {
  if (mail.type === 'taken') isTaken = true
  else follow(mail)
})
process.on('disconnect', () => process.exit())
// The agent says when to end, by closing the line: whoever stops all of us means the agent first.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {})
setInterval(tick, storageLookMs)
