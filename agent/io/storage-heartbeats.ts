/**
 * Keeps the heartbeats on shared storage going, and knows what was last found of them. All that
 * touches the storage is done by a program of its own, which may hang without holding us up; see
 * storage-heartbeat-program.ts. It runs while there is a pool to write to.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { Peers } from '#shared/wire/messages.ts'
import type { Order, OrderPool } from '#shared/wire/order.ts'
import { type ReportStorage, storagePoolsMax } from '#shared/wire/storage.ts'
import type { StoredPool } from '../core/ports.ts'
import {
  isStill,
  type StorageSight,
  type StorageWriting,
  seenOf,
  sighted,
  silenceOfWriting
} from '../core/storage-heartbeats.ts'
import {
  type HeartbeatNews,
  type HeartbeatTaken,
  type HeartbeatWish,
  kernelMs
} from './storage-heartbeat-mail.ts'

/** How often it is looked whether other pools or neighbours are wished. Unit: ms. */
const lookMs: Ms = 500
/** A program that has ended is started again so long after it was started last. Unit: ms. */
const startApartMs: Ms = 5_000
/** How long its end is waited for: one whose storage hangs ends when that answers. Unit: ms. */
const endMsMax: Ms = 500
/** A write and a look of each pool may hang, and others go on. */
const threads = 2 * storagePoolsMax + 4

/** Who writes, and where. */
export type StorageHeartbeatOptions = {
  /** UUID of this host, and its boot. */
  readonly host: string
  readonly bootId: string
  readonly order: () => Order | undefined
  /** Pools as they were found last. */
  readonly pools: () => readonly StoredPool[]
  /** How this host stands with its lease, in a word. */
  readonly state?: () => string
  /** Whether the network misses a neighbour, by its UUID: then each of its beats is news. */
  readonly isMissed: (host: string) => boolean
  /** Told when a neighbour begins to stand still, or this host cannot write. */
  readonly onChanged: () => void
  /** Starts the program, another one in tests. */
  readonly start?: (told: HeartbeatTold) => HeartbeatProgram
  readonly clock: Clock
  readonly log: Log
}

/** What the program is told when it has something to say, and when it has ended. */
export type HeartbeatTold = {
  readonly news: (news: readonly HeartbeatNews[]) => void
  readonly over: (because: string) => void
}

/** The program that touches the storage. */
export interface HeartbeatProgram {
  /** The clock of its news. */
  readonly now: () => Ms
  send(mail: HeartbeatWish | HeartbeatTaken): void
  /** Ends it; what hangs in its storage is not waited for. */
  end(): Promise<void>
}

type PoolSeen = {
  readonly path: string
  /** undefined: its program has not told of it yet. */
  writing: StorageWriting | undefined
  /** By the UUID of the neighbour. */
  readonly sights: Map<string, StorageSight>
}

/** One for each run of the agent; `run` does it. */
export class StorageHeartbeats {
  readonly #options: StorageHeartbeatOptions
  readonly #pools = new Map<string, PoolSeen>()
  /** What our clock shows more than that of the program. */
  #aheadMs: Ms = 0
  #neighbours: readonly string[] = []
  #program: HeartbeatProgram | undefined
  #startedAt: Ms = Number.NEGATIVE_INFINITY
  #wished = ''

  constructor(options: StorageHeartbeatOptions) {
    this.#options = options
  }

  /** Looks at the heartbeats of the same neighbours that are probed. */
  setPeers({ probe }: Pick<Peers, 'probe'>): void {
    this.#neighbours = probe.map(({ host }) => host)
    for (const { sights } of this.#pools.values()) {
      for (const host of sights.keys()) if (!this.#neighbours.includes(host)) sights.delete(host)
    }
  }

  /** What a report says; undefined: there is no pool to write to. */
  get said(): readonly ReportStorage[] | undefined {
    if (this.#pools.size === 0) return undefined
    const now = this.#options.clock.monotonic()
    return [...this.#pools].map(([pool, { writing, sights }]) => {
      const fault = writing && silenceOfWriting(writing)
      const seen = [...sights.values()].map(sight => seenOf(sight, now))
      return { pool, ...(fault !== undefined && { fault: fault.slice(0, 2_048) }), seen }
    })
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    let faults = ''
    while (!signal.aborted) {
      this.#choosePools()
      this.#wish()
      const said = (this.said ?? []).filter(({ fault }) => fault !== undefined)
      const now = said.map(({ pool }) => pool).join()
      if (now !== faults) this.#tellFaults(said)
      faults = now
      await clock.sleep(lookMs, signal).catch(() => {})
    }
    const program = this.#program
    this.#program = undefined
    await program?.end()
  }

  #tellFaults(silent: readonly ReportStorage[]): void {
    const { log, onChanged } = this.#options
    const because = silent.map(({ pool, fault }) => `pool ${pool}: ${fault}`).join('; ')
    if (because === '') log.info('heartbeats get to all shared pools')
    else log.warn('heartbeats do not get to shared storage', { because })
    onChanged()
  }

  /** A pool is written to from when it could first be used: then its path is what it should be. */
  #choosePools(): void {
    const { order, pools } = this.#options
    const found = new Map(pools().map(pool => [pool.name, pool]))
    const wished = (order()?.pools ?? []).filter(isBeaten).slice(0, storagePoolsMax)
    const names = new Set(wished.map(({ name }) => name))
    for (const name of this.#pools.keys()) if (!names.has(name)) this.#pools.delete(name)
    for (const { name } of wished) {
      const pool = found.get(name)
      if (!pool || pool.failure !== undefined || this.#pools.get(name)?.path === pool.path) continue
      this.#pools.set(name, { path: pool.path, writing: undefined, sights: new Map() })
    }
  }

  #wish(): void {
    const { host, bootId, state, clock } = this.#options
    const now = clock.monotonic()
    if (this.#pools.size > 0 && !this.#program && now - this.#startedAt >= startApartMs) {
      this.#startedAt = now
      this.#start()
    }
    const wish: HeartbeatWish = {
      ...{ type: 'wish', host, bootId, neighbours: this.#neighbours },
      state: state?.() ?? 'free',
      pools: [...this.#pools].map(([name, { path }]) => ({ name, path }))
    }
    const text = JSON.stringify(wish)
    if (!this.#program || text === this.#wished) return
    this.#wished = text
    this.#program.send(wish)
  }

  #start(): void {
    const { log, clock, start = startProgram } = this.#options
    this.#wished = ''
    const program = start({
      news: news => {
        if (this.#program !== program) return
        program.send({ type: 'taken' })
        for (const each of news) this.#take(each)
      },
      over: because => {
        if (this.#program !== program) return
        this.#program = undefined
        log.warn('the program for heartbeats on storage has ended', { because })
      }
    })
    this.#program = program
    this.#aheadMs = clock.monotonic() - program.now()
  }

  #take({ pool, wroteAt, fault, looks }: HeartbeatNews): void {
    const seen = this.#pools.get(pool)
    if (!seen) return
    const toldAt = this.#options.clock.monotonic()
    const { since, wroteAt: before } = seen.writing ?? { since: toldAt }
    const at = wroteAt === undefined ? before : wroteAt + this.#aheadMs
    seen.writing = {
      ...{ since, toldAt },
      ...(at !== undefined && { wroteAt: at }),
      ...(fault !== undefined && { fault })
    }
    let isNews = false
    for (const { host, beganAt, endedAt, beat } of looks) {
      if (!this.#neighbours.includes(host)) continue
      const last = seen.sights.get(host)
      const ahead = this.#aheadMs
      const look = { beganAt: beganAt + ahead, endedAt: endedAt + ahead, beat }
      const sight = sighted(last, look)
      if (!sight) continue
      seen.sights.set(host, sight)
      const isBeat = last?.beat.number !== sight.beat.number && this.#options.isMissed(host)
      isNews ||= isBeat || (last !== undefined && isStill(last) !== isStill(sight))
    }
    if (isNews) this.#options.onChanged()
  }
}

const isBeaten = ({ shared, heartbeats }: OrderPool): boolean => shared && heartbeats !== false

/** Starts it as a process of its own. */
function startProgram({ news, over }: HeartbeatTold): HeartbeatProgram {
  const program = fork(programPath(), {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', UV_THREADPOOL_SIZE: String(threads) },
    execArgv: ['--max-old-space-size=64'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc']
  })
  program.on('error', thrown => over(thrown.message))
  program.on('exit', (code, killed) => over(killed ?? `exit code ${code}`))
  program.on('message', said => news(said as readonly HeartbeatNews[]))
  return {
    now: kernelMs,
    // One that has just ended is started again by the next look.
    send: mail => void program.send(mail, () => {}),
    end: () => endProgram(program)
  }
}

/** One whose storage hangs is gone once that answers. */
async function endProgram(program: ChildProcess): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  program.once('exit', () => resolve())
  program.kill('SIGKILL')
  const late = setTimeout(resolve, endMsMax)
  await promise
  clearTimeout(late)
  if (program.connected) program.disconnect()
  program.unref()
}

/** Beside this file, or beside the bundle that it is in, or the part that bundles share. */
function programPath(): string {
  const places = import.meta.url.endsWith('.ts')
    ? ['./storage-heartbeat-program.ts']
    : ['./storage-heartbeat-program.js', '../storage-heartbeat-program.js']
  const found = places.map(place => new URL(place, import.meta.url)).find(url => existsSync(url))
  if (found) return found.pathname
  throw new Fault('not-found', 'cannot write heartbeats to storage: its program is not there', {
    next: ['npm run build']
  })
}
