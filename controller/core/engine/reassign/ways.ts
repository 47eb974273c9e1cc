/**
 * How to search which problem. Where next to nobody can come to a machine before one that came has
 * gone again, capacities are exceeded on the way, at a price that rises as the heat falls: seats
 * that are good and allowed lie far apart there. Elsewhere they are kept from the start.
 */
import type { Scales } from './scales.ts'

/** How a search goes about it; heats and prices are shares of a process's full load. */
export type Way = {
  readonly seed: number
  /** What a change may cost about one time in three, at first and in the end. */
  readonly warmest: number
  readonly coldest: number
  /** What excess as large as an average process costs, at first and when it should be gone. */
  readonly cheapest: number
  readonly dearest: number
  /** What an average process away from home costs besides, as a multiple of the heat. */
  readonly homing: number
  /** How much more often the largest processes are drawn (1: as all others). */
  readonly large: number
}

/** Prices at which no capacity is exceeded. */
export const within = { cheapest: 1e4, dearest: 1e4 } as const

/** A way that does on most problems. */
export const usualWay: Way = {
  ...{ seed: 1, warmest: 1, coldest: 0.003, homing: 4, large: 3 },
  ...within
}

/**
 * A way where moved processes hold nothing at home: there is no room for visitors to be filled too
 * soon, and warmer than this everything only changes places.
 */
export const freeWay: Way = { ...usualWay, warmest: 0.35, coldest: 0.004 }

/** A way that exceeds capacities until it is cold. */
export const beyondWay: Way = {
  ...usualWay,
  ...{ warmest: 0.3, cheapest: 0.25, dearest: 6, homing: 0, large: 1 }
}

/** With room for fewer visitors than this on a machine next to nobody can come to it. */
const fewVisitors = 3

/** Ways to search a problem, each for a thread of its own. */
export function waysFor({ visitors }: Scales): readonly Way[] {
  if (visitors === Number.POSITIVE_INFINITY) return [freeWay, freeWay]
  if (visitors >= fewVisitors) return [usualWay, { ...usualWay, homing: 2 }]
  return [beyondWay, { ...beyondWay, cheapest: 0.35 }]
}

/** The way to go on from good seats: hardly warm, and within all capacities. */
export const lastWay: Partial<Way> = { ...within, warmest: 0.006 }
