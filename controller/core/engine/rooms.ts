/**
 * What each host may still give away: what it has free, less what it keeps for the worst loss, in
 * one array that is walked for each newcomer.
 */
import type { Layout } from './layout.ts'
import type { Refuges } from './refuges.ts'

/** Whether a host can take a demand, apart from its room. */
export type Allows = (host: number) => boolean

/** Rooms of one layout; `refresh` after each change of a host. */
export class Rooms {
  readonly #layout: Layout
  #refuges: readonly Refuges[] = []
  /** By host and dimension; of closed hosts less than nothing. */
  readonly #room: Float64Array
  /** By dimension: the share of an average host that one of it is. */
  readonly meanScale: Float64Array

  constructor(layout: Layout) {
    const { hosts, dimensions, scale } = layout
    this.#layout = layout
    this.#room = new Float64Array(hosts * dimensions)
    this.meanScale = new Float64Array(dimensions)
    for (let cell = 0; cell < hosts * dimensions; cell += 1) {
      this.meanScale[cell % dimensions]! += scale[cell]! / hosts
    }
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
    if (open[host] === 0) return
    for (let sort = 0; sort < this.#refuges.length; sort += 1) {
      const { held, kept } = this.#refuges[sort]!
      for (let k = 0; k < held.length; k += 1) {
        const cell = host * dimensions + held[k]!
        const room = limit[cell]! - used[cell]! - kept[host * held.length + k]!
        if (room < this.#room[cell]!) this.#room[cell] = room
      }
    }
  }

  /** The host that would be left with the least room; -1: none has enough. */
  tightest(demand: number, allows: Allows): number {
    const { hosts, dimensions, amount, scale } = this.#layout
    const room = this.#room
    const from = demand * dimensions
    let [best, bestLeft] = [-1, Number.POSITIVE_INFINITY]
    for (let host = 0; host < hosts; host += 1) {
      let left = 0
      for (let d = 0; d < dimensions; d += 1) {
        const rest = room[host * dimensions + d]! - amount[from + d]!
        if (rest < 0) {
          left = Number.POSITIVE_INFINITY
          break
        }
        left += rest * scale[host * dimensions + d]!
      }
      if (left >= bestLeft || !allows(host)) continue
      best = host
      bestLeft = left
    }
    return best
  }

  /** Writes the hosts with enough room to a list, and gives how many there are. */
  list(demand: number, allows: Allows, into: Int32Array): number {
    const { hosts, dimensions, amount } = this.#layout
    const room = this.#room
    const from = demand * dimensions
    let count = 0
    for (let host = 0; host < hosts; host += 1) {
      let d = 0
      while (d < dimensions && room[host * dimensions + d]! >= amount[from + d]!) d += 1
      if (d < dimensions || !allows(host)) continue
      into[count] = host
      count += 1
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
