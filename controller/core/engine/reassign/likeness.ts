/**
 * Processes in the order of their size, all resources taken together as shares of an average
 * process. Two that change places change little on either machine when they are alike; among very
 * many processes two drawn by lot are hardly ever.
 */
import type { Reassignment } from './problem.ts'

/** How far apart in the order processes are still alike. */
const reach = 64

/** Who is like whom. */
export class Likeness {
  readonly #order: Int32Array
  readonly #rank: Int32Array

  /** `units` is what an average process uses, by resource. */
  constructor({ demand, processes, resources }: Reassignment, units: Float64Array) {
    const size = new Float64Array(processes)
    for (let k = 0; k < demand.length; k += 1) {
      size[Math.floor(k / resources)]! += demand[k]! / Math.max(1e-9, units[k % resources]!)
    }
    this.#order = Int32Array.from(size, (_, process) => process)
    this.#order.sort((one, other) => size[one]! - size[other]! || one - other)
    this.#rank = new Int32Array(processes)
    for (const [rank, process] of this.#order.entries()) this.#rank[process] = rank
  }

  /** One of those that are like a process; `lot` is from 0 to less than `likes`. */
  of(process: number, lot: number): number {
    const rank = this.#rank[process]! + lot - reach
    return this.#order[Math.max(0, Math.min(this.#order.length - 1, rank))]!
  }
}

/** How many lots there are to draw. */
export const likes = 2 * reach + 1
