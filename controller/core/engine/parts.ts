/**
 * What one dimension's part of the score can become when an amount of it leaves one host for any
 * other: what its leaving gives is exact, its coming is taken at the host that likes it best.
 * Demands take few different amounts, so all of it is worked out once for each amount and host.
 */
import { deviation, type Layout } from './layout.ts'

/** How far from where it is a dimension's variance is followed, as a share of it. */
const near = 0.25

/** The parts of all dimensions; `refresh` after each change of the layout. */
export class Parts {
  readonly #layout: Layout
  /** By demand and dimension: the number of its amount among the dimension's amounts. */
  readonly kind: Int32Array
  readonly #amounts: readonly (readonly number[])[]
  /** By dimension and amount: the least by which the sum of squares rises at any host. */
  readonly rise: readonly Float64Array[]
  /** By dimension: its part of the score as it is. */
  readonly now: Float64Array
  /** By dimension: at least so much does its part rise with the sum of squares, up to the reach. */
  readonly slope: Float64Array
  readonly reach: Float64Array
  /** By dimension: the part is counted up to here, where the slope sets in. */
  readonly #top: Float64Array
  /** By dimension, amount and host. */
  readonly #parts: readonly Float64Array[]
  readonly #scaleLeast: Float64Array
  readonly #scaleMost: Float64Array

  constructor(layout: Layout) {
    const { dimensions, demands } = layout
    this.#layout = layout
    this.kind = new Int32Array(demands * dimensions)
    this.#amounts = Array.from({ length: dimensions }, (_, d) => this.#amountsOf(d))
    this.rise = this.#amounts.map(amounts => new Float64Array(amounts.length))
    this.#parts = this.#amounts.map(each => new Float64Array(each.length * layout.hosts))
    this.now = new Float64Array(dimensions)
    this.slope = new Float64Array(dimensions)
    this.reach = new Float64Array(dimensions)
    this.#top = new Float64Array(dimensions)
    this.#scaleLeast = new Float64Array(dimensions)
    this.#scaleMost = new Float64Array(dimensions)
  }

  /** Looks at all hosts anew. */
  refresh(): void {
    const { dimensions, openHosts, weight, sum, square } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      this.#rises(d)
      const spread = deviation(sum[d]!, square[d]!, openHosts)
      this.now[d] = weight[d]! * spread
      // Up to here the square root rises by at least the slope; beyond, the slope is not counted.
      this.#top[d] = this.now[d]! * Math.sqrt(1 + near)
      this.reach[d] = near * spread * spread * openHosts
      const steepness = 2 * openHosts * spread * Math.sqrt(1 + 2 * near)
      this.slope[d] = spread > 0 ? weight[d]! / steepness : 0
      this.#part(d)
    }
  }

  /** At least so much of a dimension's part when a demand leaves a host for any other. */
  moved(demand: number, d: number, host: number): number {
    const kind = this.kind[demand * this.#layout.dimensions + d]!
    return this.#parts[d]![kind * this.#layout.hosts + host]!
  }

  #amountsOf(d: number): readonly number[] {
    const { demands, dimensions, amount } = this.#layout
    const numbers = new Map<number, number>()
    for (let demand = 0; demand < demands; demand += 1) {
      const each = amount[demand * dimensions + d]!
      const number = numbers.get(each) ?? numbers.size
      numbers.set(each, number)
      this.kind[demand * dimensions + d] = number
    }
    return [...numbers.keys()]
  }

  #rises(d: number): void {
    const { dimensions, hosts, value, scale, open } = this.#layout
    const [amounts, rise] = [this.#amounts[d]!, this.rise[d]!]
    let [least, most] = [Infinity, 0]
    rise.fill(Infinity)
    for (let host = 0; host < hosts; host += 1) {
      if (open[host] === 0) continue
      const cell = host * dimensions + d
      const share = 2 * value[cell]!
      const step = scale[cell]!
      if (step < least) least = step
      if (step > most) most = step
      for (let kind = 0; kind < amounts.length; kind += 1) {
        const up = amounts[kind]! * step
        const squares = up * (share + up)
        if (squares < rise[kind]!) rise[kind] = squares
      }
    }
    this.#scaleLeast[d] = least
    this.#scaleMost[d] = most
  }

  /** Looks at each host and each amount that may leave it. */
  #part(d: number): void {
    const layout = this.#layout
    const { hosts, openHosts, dimensions, open, scale, value } = layout
    const [amounts, rises, parts] = [this.#amounts[d]!, this.rise[d]!, this.#parts[d]!]
    const [total, squares] = [layout.sum[d]!, layout.square[d]!]
    const [scaleLeast, scaleMost] = [this.#scaleLeast[d]!, this.#scaleMost[d]!]
    const [weight, top] = [layout.weight[d]!, this.#top[d]!]
    for (let kind = 0; kind < amounts.length; kind += 1) {
      const amount = amounts[kind]!
      for (let host = 0; host < hosts; host += 1) {
        const cell = host * dimensions + d
        const down = open[host] === 1 ? amount * scale[cell]! : 0
        const square = squares + rises[kind]! - down * (2 * value[cell]! - down)
        const least = Math.abs(total - down + amount * scaleLeast)
        const most = Math.abs(total - down + amount * scaleMost)
        const mean = Math.max(least, most) / openHosts
        const variance = square / openHosts - mean * mean
        const part = variance > 0 ? weight * Math.sqrt(variance) : 0
        parts[kind * hosts + host] = Math.min(part, top)
      }
    }
  }
}
