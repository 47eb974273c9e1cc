/**
 * A short list of the hosts where a demand would cost least: each dimension's part of the score
 * rises about in proportion to its sum of squares, so hosts are told apart without a square root,
 * and only the few best are looked at closely.
 */
import { deviation, type Layout } from './layout.ts'

/** Lists hosts for one layout; `refresh` when the score has changed much. */
export class Cheapest {
  readonly #layout: Layout
  readonly #most: number
  readonly #slope: Float64Array
  /** By host and dimension: how a cost grows with an amount, and with its square. */
  readonly #rise: Float64Array
  readonly #bend: Float64Array
  readonly #amounts: Float64Array
  readonly #costs: Float64Array
  readonly #list: Int32Array<ArrayBuffer>
  readonly #every: Int32Array

  /** At most so many of these hosts are listed. */
  constructor(layout: Layout, hosts: Int32Array, most: number) {
    this.#layout = layout
    this.#every = hosts
    this.#most = Math.min(most, hosts.length)
    this.#slope = new Float64Array(layout.dimensions)
    this.#rise = new Float64Array(layout.hosts * layout.dimensions)
    this.#bend = new Float64Array(layout.hosts * layout.dimensions)
    this.#amounts = new Float64Array(layout.dimensions)
    this.#costs = new Float64Array(this.#most)
    this.#list = new Int32Array(this.#most)
    this.refresh()
  }

  /** All hosts, for those for whom the short list is too short. */
  get all(): Cheapest {
    return new Cheapest(this.#layout, this.#every, this.#every.length)
  }

  /** Follows the layout. */
  refresh(): void {
    const { dimensions, weight, sum, square, openHosts } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const spread = deviation(sum[d]!, square[d]!, openHosts)
      this.#slope[d] = spread > 0 ? weight[d]! / spread : 0
    }
    for (const host of this.#every) this.renew(host)
  }

  /** Follows one host. */
  renew(host: number): void {
    const { dimensions, scale, value, sum, openHosts } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const cell = host * dimensions + d
      const steep = this.#slope[d]! * scale[cell]!
      this.#rise[cell] = 2 * steep * (value[cell]! - sum[d]! / openHosts)
      this.#bend[cell] = steep * scale[cell]!
    }
  }

  /** The hosts that cost least for a first seat, or for a second one, as a list for one use. */
  of(demand: number, asSecond: boolean): Int32Array {
    if (this.#most === this.#every.length) return this.#every
    const { dimensions, amount, both } = this.#layout
    const [list, costs, every] = [this.#list, this.#costs, this.#every]
    const [rise, bend, amounts] = [this.#rise, this.#bend, this.#amounts]
    for (let d = 0; d < dimensions; d += 1) {
      amounts[d] = asSecond && both[d] === 0 ? 0 : amount[demand * dimensions + d]!
    }
    let count = 0
    for (let index = 0; index < every.length; index += 1) {
      const host = every[index]!
      const cells = host * dimensions
      let cost = 0
      for (let d = 0; d < dimensions; d += 1) {
        cost += amounts[d]! * (rise[cells + d]! + amounts[d]! * bend[cells + d]!)
      }
      if (count === this.#most && cost >= costs[count - 1]!) continue
      let at = count < this.#most ? count : count - 1
      while (at > 0 && costs[at - 1]! > cost) {
        costs[at] = costs[at - 1]!
        list[at] = list[at - 1]!
        at -= 1
      }
      costs[at] = cost
      list[at] = host
      if (count < this.#most) count += 1
    }
    return list
  }
}
