/** What an agent and its program for heartbeats on storage say to each other. */
import type { Ms } from '#shared/units.ts'
import type { StorageBeat } from '../core/storage-heartbeats.ts'

/** What is wished of the program: all of it, each time. */
export type HeartbeatWish = {
  readonly type: 'wish'
  readonly host: string
  readonly bootId: string
  readonly state: string
  readonly pools: readonly { readonly name: string; readonly path: string }[]
  /** UUIDs of the neighbours to look for. */
  readonly neighbours: readonly string[]
}

/** The agent has read what was told last: there is room for the next. */
export type HeartbeatTaken = { readonly type: 'taken' }

/** Times are the kernel's monotonic clock, which both programs read alike. */
export type HeartbeatNews = {
  readonly pool: string
  /** When the last write began that came through. */
  readonly wroteAt?: Ms
  readonly fault?: string
  readonly looks: readonly {
    readonly host: string
    readonly beganAt: Ms
    readonly endedAt: Ms
    readonly beat?: StorageBeat
  }[]
}

/** The monotonic clock of the kernel. */
export const kernelMs = (): Ms => Number(process.hrtime.bigint()) / 1e6
