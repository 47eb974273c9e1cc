/**
 * How to search which problem. Where next to nobody can come to a machine before one that came has
 * gone again, capacities are exceeded on the way, at a price that rises as the heat falls: seats
 * that are good and allowed lie far apart there. Elsewhere they are kept from the start.
 */
import type { Scales } from './scales.ts'

/** Of 64 changes, how many are of each kind; the rest are chains. */
export type Mix = {
  /** One moves. */
  readonly shifts: number
  /** Two change places: any two, two of the same size, two of a kind. */
  readonly swaps: number
  readonly likeSwaps: number
  readonly kinSwaps: number
  /** One that came from elsewhere goes home. */
  readonly returns: number
}

/** How a search goes about it; heats and prices are shares of a process's full load. */
export type Way = {
  readonly seed: number
  /** What a change may cost about one time in three, at first and in the end. */
  readonly warmest: number
  readonly coldest: number
  /**
   * What excess as large as an average process costs, at first and when it should be gone;
   * undefined: no capacity is ever exceeded.
   */
  readonly excess: { readonly cheapest: number; readonly dearest: number } | undefined
  /** What an average process away from home costs besides, as a multiple of the heat. */
  readonly homing: number
  /** How much more often the largest processes are drawn (1: as all others). */
  readonly large: number
  readonly mix: Mix
}

/** A way that does on most problems. */
export const usualWay: Way = {
  ...{ seed: 1, warmest: 1, coldest: 0.003, excess: undefined, homing: 4, large: 3 },
  mix: { shifts: 24, swaps: 10, likeSwaps: 6, kinSwaps: 6, returns: 4 }
}

/**
 * A way where moved processes hold nothing at home. There is no room for visitors to be filled too
 * soon, warmer than this everything only changes places, and in the end it is a matter of which of
 * the large ones lie together: chains are of no use, and below this hardly anything changes.
 */
export const freeWay: Way = {
  ...usualWay,
  ...{ warmest: 0.5, coldest: 0.025 },
  mix: { shifts: 20, swaps: 10, likeSwaps: 0, kinSwaps: 34, returns: 0 }
}

/** A way that exceeds capacities until it is cold. */
export const beyondWay: Way = {
  ...usualWay,
  ...{ warmest: 0.3, excess: { cheapest: 0.25, dearest: 6 }, homing: 0, large: 1 },
  mix: { shifts: 24, swaps: 10, likeSwaps: 12, kinSwaps: 0, returns: 4 }
}

/** With room for fewer visitors than this on a machine next to nobody can come to it. */
const fewVisitors = 3

/** Ways to search a problem, each for a thread of its own. */
export function waysFor({ visitors }: Scales): readonly Way[] {
  if (visitors === Number.POSITIVE_INFINITY) return [freeWay, freeWay]
  if (visitors >= fewVisitors) return [usualWay, { ...usualWay, homing: 2 }]
  return [beyondWay, { ...beyondWay, excess: { cheapest: 0.35, dearest: 6 } }]
}

/** The way to go on from good seats: hardly warm, and within all capacities. */
export const lastWay: Partial<Way> = { excess: undefined, warmest: 0.006 }
