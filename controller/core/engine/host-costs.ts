/**
 * What it costs, at least, to bring demands of a sort to each host, beyond what the best host of
 * each dimension alone would cost: no host is the best in every dimension. Demands that take the
 * same are of one sort.
 */
import type { Layout } from './layout.ts'
import type { Parts } from './parts.ts'

/** Costs in some of the dimensions; `refresh` after each change of the layout. */
export class HostCosts {
  readonly #layout: Layout
  readonly #parts: Parts
  readonly #dimensions: readonly number[]
  readonly #hostsMost: number
  /** By sort: one demand of it. */
  readonly #model: readonly number[]
  /** By demand. */
  readonly sort: Int32Array
  /** By sort and host. */
  readonly costs: Float64Array
  /** By sort: the hosts to look at, of which there are at most as many as was said. */
  readonly cheap: readonly Int32Array[]
  /** By sort: the least cost. */
  readonly least: Float64Array

  constructor(parts: Parts, layout: Layout, { dimensions, hostsMost }: Scope) {
    this.#layout = layout
    this.#parts = parts
    this.#dimensions = dimensions
    this.#hostsMost = Math.min(hostsMost, layout.openHosts)
    this.sort = new Int32Array(layout.demands)
    this.#model = this.#sortDemands()
    this.costs = new Float64Array(this.sorts * layout.hosts)
    this.least = new Float64Array(this.sorts)
    const every = Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
    const list = Int32Array.from(every)
    this.cheap = this.#model.map(() => list.slice(0, this.#hostsMost))
  }

  get sorts(): number {
    return this.#model.length
  }

  /** Looks at all hosts anew. */
  refresh(): void {
    const { hosts, openHosts } = this.#layout
    for (let sort = 0; sort < this.sorts; sort += 1) {
      const row = sort * hosts
      this.#cost(sort, 0, hosts)
      if (this.#hostsMost < openHosts) this.#pick(sort)
      const list = this.cheap[sort]!
      let best = Infinity
      for (let index = 0; index < list.length; index += 1) {
        best = Math.min(best, this.costs[row + list[index]!]!)
      }
      this.least[sort] = best
    }
  }

  /** What the score rises with the sum of squares of a dimension, about. */
  slope(d: number): number {
    return this.#parts.slope[d]!
  }

  /** Follows one host that has changed, without a look at all others. */
  renew(host: number): void {
    for (let sort = 0; sort < this.sorts; sort += 1) this.#cost(sort, host, host + 1)
  }

  /** Numbers sorts in the order of their first demands, one dimension after another. */
  #sortDemands(): readonly number[] {
    const { demands, dimensions } = this.#layout
    const { kind, rise } = this.#parts
    let model: number[] = demands > 0 ? [0] : []
    for (const d of this.#dimensions) {
      const kinds = rise[d]!.length
      const numbers = new Map<number, number>()
      model = []
      for (let demand = 0; demand < demands; demand += 1) {
        const key = this.sort[demand]! * kinds + kind[demand * dimensions + d]!
        let number = numbers.get(key)
        if (number === undefined) {
          number = model.length
          numbers.set(key, number)
          model.push(demand)
        }
        this.sort[demand] = number
      }
    }
    return model
  }

  /** Works out what hosts cost a sort, from one host until before another. */
  #cost(sort: number, from: number, until: number): void {
    const { costs } = this
    const { hosts, value, scale, amount, dimensions: width } = this.#layout
    const demand = this.#model[sort]!
    const row = sort * hosts
    costs.fill(0, row + from, row + until)
    for (let index = 0; index < this.#dimensions.length; index += 1) {
      const d = this.#dimensions[index]!
      const taken = amount[demand * width + d]!
      if (taken === 0) continue
      const [slope, reach] = [this.#parts.slope[d]!, this.#parts.reach[d]!]
      const alone = this.#parts.rise[d]![this.#parts.kind[demand * width + d]!]!
      for (let host = from; host < until; host += 1) {
        const up = taken * scale[host * width + d]!
        const beyond = up * (2 * value[host * width + d]! + up) - alone
        costs[row + host]! += slope * Math.min(beyond, reach)
      }
    }
  }

  /** Keeps only the cheapest hosts in the list of a sort. */
  #pick(sort: number): void {
    const { costs, cheap } = this
    const { hosts, open } = this.#layout
    const row = sort * hosts
    const list = cheap[sort]!
    let count = 0
    for (let host = 0; host < hosts; host += 1) {
      const cost = costs[row + host]!
      if (open[host] === 0) continue
      if (count === list.length && cost >= costs[row + list[count - 1]!]!) continue
      let at = count < list.length ? count : count - 1
      while (at > 0 && costs[row + list[at - 1]!]! > cost) {
        list[at] = list[at - 1]!
        at -= 1
      }
      list[at] = host
      if (count < list.length) count += 1
    }
  }
}

/** Which dimensions count, and how many hosts are looked at for each sort: the cheapest. */
type Scope = { readonly dimensions: readonly number[]; readonly hostsMost: number }
