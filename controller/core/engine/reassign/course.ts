/**
 * How warm and how strict a search is, by how far it is. The heat falls with progress, the price of
 * excess rises; while anything is exceeded that should not be, the price rises faster, and the heat
 * stays where it was when that was due: what is exceeded by little is mended by changes that cost
 * much.
 *
 * Heats are meant for ten processes on a machine. Among more there are changes between any two
 * costs, so that a search stays in motion where it is much colder, and too warm above that.
 */
import type { Scales } from './scales.ts'
import type { Way } from './ways.ts'

/** From here on capacities are to be kept, and from there on nothing may cost anything. */
const keepFrom = 0.6
const descendFrom = 0.97
/** How much dearer excess would be if it lasted from 0 to 1. */
const dearer = 1e15
const dearestEver = 1e6

/** The course of one search. */
export class Course {
  readonly #way: Way
  readonly #warmest: number
  readonly #coldest: number
  #surcharge = 1
  #progress = 0

  constructor(way: Way, { crowd, fullLoad }: Scales) {
    this.#way = way
    this.#warmest = (fullLoad * way.warmest) / crowd
    this.#coldest = Math.min(this.#warmest, (fullLoad * way.coldest) / crowd ** 1.5)
  }

  /** What a change may cost about one time in three. */
  heat(progress: number, isExceeded: boolean): number {
    if (progress >= descendFrom && !isExceeded) return 0
    const cooled = isExceeded ? Math.min(keepFrom, progress) : progress
    return this.#warmest * (this.#coldest / this.#warmest) ** cooled
  }

  /**
   * The price of excess as large as an average process, as a share of its full load; undefined:
   * capacities are kept.
   */
  price(progress: number, isExceeded: boolean): number | undefined {
    if (this.#way.excess === undefined) return
    const { cheapest, dearest } = this.#way.excess
    const late = Math.max(0, progress - Math.max(keepFrom, this.#progress))
    if (isExceeded) this.#surcharge *= dearer ** late
    this.#progress = progress
    const risen = cheapest * (dearest / cheapest) ** Math.min(1, progress / keepFrom)
    return Math.min(dearestEver, risen * this.#surcharge)
  }
}
