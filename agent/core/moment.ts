import type { Ms } from '#shared/units.ts'

/** One moment on both clocks: the monotonic one to count with, the wall's to write down. */
export type Moment = { readonly monotonic: Ms; readonly wall: Ms }

/** Writes a moment of the wall clock as RFC 3339, UTC. */
export const timestamp = (wall: Ms): string => new Date(wall).toISOString()
