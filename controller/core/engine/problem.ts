/**
 * What the placement engine is given: hosts, demands, where each demand sits, and the score as
 * data. The engine knows no memory, no processors and no disks, only dimensions with weights; so
 * the product's own balance, a benchmark's and another system's are the same engine with other
 * numbers.
 *
 * Hosts, demands, groups and domains are numbers from 0. A demand has a first seat, where it runs,
 * and, when it is a pair, a second one, which keeps its other copy; -1 stands for no seat.
 *
 * The score, the lower the better, is the sum of:
 * - of each dimension its weight times the standard deviation, over the open hosts, of the share of
 *   the host's capacity that is taken;
 * - of each level its clash weight for every demand beyond the first of a group in one domain, by
 *   first seats, and its pair weight for every pair with both seats in one domain;
 * - for each seat on a closed host a weight, and one more for each first seat there;
 * - when there is a reserve: what each host must keep free for the second seats whose first ones
 *   die with one other host; the deviation and the sum of its share, and for each seat on a host
 *   that is short of it a weight.
 */

/** Something that hosts have and demands take. */
export type Dimension = {
  readonly name: string
  /** Of the deviation in the score; with 0 the dimension only limits. */
  readonly weight: number
  /** Whether a second seat takes as much as a first one; otherwise it takes nothing. */
  readonly both: boolean
  /** Whether nothing at all goes beyond the limit; otherwise what leaves a closed host may. */
  readonly hard: boolean
  /** Of each host: what a share is a share of. */
  readonly capacity: ArrayLike<number>
  /** Of each host: what is taken by others than the demands. */
  readonly taken: ArrayLike<number>
  /** Of each host: the most that may be taken in all. */
  readonly limit: ArrayLike<number>
  /** Of each demand. */
  readonly amount: ArrayLike<number>
}

/** A way to tell hosts into domains that fail together: each host by itself, racks, zones. */
export type Level = {
  readonly name: string
  /** Of each host its domain, or -1. */
  readonly domain: ArrayLike<number>
  readonly clashWeight: number
  readonly pairWeight: number
  /** Whether no demand moves to where one of its group sits, unless it leaves a closed host. */
  readonly forbids: boolean
}

/** Room that a host keeps for the worst loss of one other host. */
export type Reserve = {
  /** Number of the dimension that is kept free. */
  readonly dimension: number
  /** Of each demand whether it is counted. */
  readonly counted: ArrayLike<number>
  readonly deviationWeight: number
  readonly sumWeight: number
  readonly shortWeight: number
}

/** All that the engine is given. */
export type Problem = {
  /** Of each host: 1 when it takes demands, 0 when it is to be left. */
  readonly open: ArrayLike<number>
  readonly first: ArrayLike<number>
  readonly second: ArrayLike<number>
  /** Of each demand: 1 when it has two seats. */
  readonly pair: ArrayLike<number>
  /** Of each demand: 1 when it stays where it is. */
  readonly fixed: ArrayLike<number>
  readonly dimensions: readonly Dimension[]
  /** Of each demand the groups whose members should be apart. */
  readonly groups: readonly (readonly number[])[]
  /** More groups than the demands name, for those who come later. */
  readonly groupCount?: number
  readonly levels: readonly Level[]
  readonly reserve?: Reserve
  readonly closedSeatWeight: number
  readonly closedFirstWeight: number
}

/** A demand gets other seats. */
export type Move = { readonly demand: number; readonly first: number; readonly second: number }
