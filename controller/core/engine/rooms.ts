/**
 * What each host may still give away: what it has free, less what it keeps for the worst loss, in
 * one array that is walked for each newcomer.
 */
import { deviation, type Layout } from './layout.ts'
import type { Refuges } from './refuges.ts'

/** Whether a host can take a demand, apart from its room. */
export type Allows = (host: number) => boolean

/** Deviations below this are taken for this. */
const spreadMin = 1e-6

/** How much what is left of a dimension counts that is not the scarce one. */
const plentyFactor = 0.05

/** Rooms of one layout; `refresh` after each change of a host. */
export class Rooms {
  readonly #layout: Layout
  #refuges: readonly Refuges[] = []
  /** By host and dimension; of closed hosts less than nothing. */
  readonly #room: Float64Array
  /** By host: its room in all dimensions, as shares of an average host. */
  readonly #total: Float64Array
  /** By dimension: how much what is left of it counts. */
  readonly #factor: Float64Array
  /** By dimension: the share of an average host that one of it is. */
  readonly meanScale: Float64Array
  readonly #steep: Float64Array
  readonly #mean: Float64Array
  readonly #costs: Float64Array

  constructor(layout: Layout) {
    const { hosts, dimensions, scale } = layout
    this.#layout = layout
    this.#room = new Float64Array(hosts * dimensions)
    this.#total = new Float64Array(hosts)
    this.#factor = new Float64Array(dimensions).fill(1)
    this.meanScale = new Float64Array(dimensions)
    this.#steep = new Float64Array(dimensions)
    this.#mean = new Float64Array(dimensions)
    this.#costs = new Float64Array(hosts)
    for (let cell = 0; cell < hosts * dimensions; cell += 1) {
      this.meanScale[cell % dimensions]! += scale[cell]! / hosts
    }
  }

  /** Finds out which dimension is scarce: of that one what is left over counts most. */
  weigh(): void {
    const { hosts, dimensions, limit, used, open } = this.#layout
    const taken = Array.from({ length: dimensions }, (_, d) => {
      let [all, part] = [0, 0]
      for (let host = 0; host < hosts; host += 1) {
        if (open[host] === 0 || limit[host * dimensions + d] === Number.POSITIVE_INFINITY) continue
        all += limit[host * dimensions + d]!
        part += used[host * dimensions + d]!
      }
      return all > 0 ? part / all : 0
    })
    const most = Math.max(...taken)
    const factor = taken.map(share => (share === most ? 1 : plentyFactor))
    if (factor.every((each, d) => each === this.#factor[d])) return
    this.#factor.set(factor)
    for (let host = 0; host < hosts; host += 1) this.refresh(host)
  }

  /** From now on room is kept as these say. */
  keep(refuges: readonly Refuges[]): void {
    this.#refuges = refuges
    for (let host = 0; host < this.#layout.hosts; host += 1) this.refresh(host)
  }

  /** Follows a host. */
  refresh(host: number): void {
    const { dimensions, limit, used, open } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const cell = host * dimensions + d
      this.#room[cell] = open[host] === 1 ? limit[cell]! - used[cell]! : -1
    }
    if (open[host] === 1) this.#holdBack(host)
    let total = 0
    for (let d = 0; d < dimensions; d += 1) {
      total += this.#room[host * dimensions + d]! * this.meanScale[d]! * this.#factor[d]!
    }
    this.#total[host] = total
  }

  #holdBack(host: number): void {
    const { dimensions, limit, used } = this.#layout
    for (let sort = 0; sort < this.#refuges.length; sort += 1) {
      const { held, kept } = this.#refuges[sort]!
      for (let k = 0; k < held.length; k += 1) {
        const cell = host * dimensions + held[k]!
        const room = limit[cell]! - used[cell]! - kept[host * held.length + k]!
        if (room < this.#room[cell]!) this.#room[cell] = room
      }
    }
  }

  /**
   * The host that would be left with the least room; -1: none has enough. What it would be left
   * with is what it has less what anybody takes, so one number a host tells most of them apart.
   */
  tightest(demand: number, allows: Allows): number {
    const { hosts, dimensions, amount } = this.#layout
    const [room, total] = [this.#room, this.#total]
    const from = demand * dimensions
    let [best, bestTotal] = [-1, Number.POSITIVE_INFINITY]
    for (let host = 0; host < hosts; host += 1) {
      if (total[host]! >= bestTotal) continue
      let d = 0
      while (d < dimensions && room[host * dimensions + d]! >= amount[from + d]!) d += 1
      if (d < dimensions || !allows(host)) continue
      best = host
      bestTotal = total[host]!
    }
    return best
  }

  /** Whether a host has enough room. */
  has(demand: number, host: number): boolean {
    const { dimensions, amount } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      if (this.#room[host * dimensions + d]! < amount[demand * dimensions + d]!) return false
    }
    return true
  }

  /**
   * Writes hosts with enough room to a list, those with which the score would rise least, and gives
   * how many there are. A dimension's part rises about in proportion to its sum of squares, so a
   * host costs no square root, and only the few that are listed need a closer look.
   */
  cheapest(demand: number, allows: Allows, into: Int32Array): number {
    const { hosts, dimensions, amount, scale, value, sum, square, weight, openHosts } = this.#layout
    const [room, steep, mean, costs] = [this.#room, this.#steep, this.#mean, this.#costs]
    const from = demand * dimensions
    for (let d = 0; d < dimensions; d += 1) {
      steep[d] = weight[d]! / Math.max(deviation(sum[d]!, square[d]!, openHosts), spreadMin)
      mean[d] = sum[d]! / openHosts
    }
    let count = 0
    for (let host = 0; host < hosts; host += 1) {
      let cost = 0
      for (let d = 0; d < dimensions; d += 1) {
        const cell = host * dimensions + d
        const mine = amount[from + d]!
        if (mine > room[cell]!) {
          cost = Number.POSITIVE_INFINITY
          break
        }
        const rise = mine * scale[cell]!
        cost += steep[d]! * rise * (2 * (value[cell]! - mean[d]!) + rise)
      }
      const isFull = count === into.length
      if (cost >= (isFull ? costs[count - 1]! : Number.POSITIVE_INFINITY) || !allows(host)) continue
      let at = isFull ? count - 1 : count
      while (at > 0 && costs[at - 1]! > cost) {
        costs[at] = costs[at - 1]!
        into[at] = into[at - 1]!
        at -= 1
      }
      costs[at] = cost
      into[at] = host
      if (!isFull) count += 1
    }
    return count
  }

  /** Whether any host has enough free, if it kept nothing. */
  anywhere(demand: number, allows: Allows): boolean {
    return this.nearest(demand, allows, 1).length > 0
  }

  /** Hosts with enough free that would keep the least too little, those first. */
  nearest(demand: number, allows: Allows, most: number): readonly number[] {
    const { hosts, dimensions, amount, scale, limit, used } = this.#layout
    const from = demand * dimensions
    const found: { readonly host: number; readonly lack: number }[] = []
    for (let host = 0; host < hosts; host += 1) {
      let lack = 0
      for (let d = 0; d < dimensions; d += 1) {
        const cell = host * dimensions + d
        const mine = amount[from + d]!
        if (used[cell]! + mine > limit[cell]!) lack = Number.POSITIVE_INFINITY
        lack += Math.max(0, mine - this.#room[cell]!) * scale[cell]!
      }
      if (lack < Number.POSITIVE_INFINITY && allows(host)) found.push({ host, lack })
    }
    return found
      .sort((a, b) => a.lack - b.lack || a.host - b.host)
      .slice(0, most)
      .map(({ host }) => host)
  }
}
