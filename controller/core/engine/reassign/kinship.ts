/**
 * Processes in the order of what they use of one resource, for each resource. Where all resources
 * are full, each machine holds few that are large in any of them, and that one of these moves by
 * itself, or for one that only is as large in all, costs more than anything else could save. Two
 * that use as much of the resource that counts most for both change places at little cost there,
 * and everything else is settled anew: so a search still gets on when it is cold.
 */
import type { Reassignment } from './problem.ts'

/** How far apart in an order processes are still of a kind. */
const reach = 24

/** Who is of a kind with whom. */
export class Kinship {
  /** By process: the resource of which it uses most, as costs count it. */
  readonly #main: Int32Array
  /** By resource: processes in their order, and the place of each. */
  readonly #orders: readonly Int32Array[]
  readonly #ranks: readonly Int32Array[]

  constructor({ demand, loadWeight, processes, resources }: Reassignment) {
    const most = new Float64Array(processes).fill(-1)
    this.#main = new Int32Array(processes)
    for (let k = 0; k < demand.length; k += 1) {
      const [process, r] = [Math.floor(k / resources), k % resources]
      const load = demand[k]! * loadWeight[r]!
      if (load <= most[process]!) continue
      most[process] = load
      this.#main[process] = r
    }
    this.#orders = Array.from({ length: resources }, (_, r) => {
      const used = (process: number): number => demand[process * resources + r]!
      const order = Int32Array.from(most, (_, process) => process)
      return order.sort((one, other) => used(one) - used(other) || one - other)
    })
    this.#ranks = this.#orders.map(order => {
      const rank = new Int32Array(processes)
      for (const [place, process] of order.entries()) rank[process] = place
      return rank
    })
  }

  /** One of those of a kind with a process; `lot` is from 0 to less than `kin`. */
  of(process: number, lot: number): number {
    const main = this.#main[process]!
    const order = this.#orders[main]!
    const place = this.#ranks[main]![process]! + lot - reach
    return order[Math.max(0, Math.min(order.length - 1, place))]!
  }
}

/** How many lots there are to draw. */
export const kin = 2 * reach + 1
