/**
 * A plan for the loss of every single host, kept ready: for each demand the host where it would
 * start if its own died now. The plans of different hosts do not compete, since only one host is
 * lost at a time; within one plan all that start at a host have room there together, and keep
 * their groups apart. A pair starts where its second seat is.
 *
 * Plans are made from a short list of the hosts that cost least for demands of a sort, which is the
 * same for every loss; only where that does not do all hosts are asked. A change touches the plan
 * of whoever changed and the plans that count on the host that has less room now; all others stay.
 */
import { Chains } from './chains.ts'
import { HostCosts } from './host-costs.ts'
import type { Layout } from './layout.ts'
import { Parts } from './parts.ts'

/** How many hosts are on the short list of a sort. */
const hostsMost = 64

/** Plans for one layout; the caller tells of each change of it. */
export class LossPlans {
  readonly #layout: Layout
  readonly #costs: HostCosts
  readonly #every: Int32Array
  /** By demand: where it would start; -1: nowhere. */
  readonly target: Int32Array
  /** Demands by where they would start. */
  readonly #guests: Chains
  /** By host and dimension, and by host: what the plan in hand has brought there already. */
  readonly #added: Float64Array
  /** By host and dimension: what comes from there to the host in hand. */
  readonly #coming: Float64Array
  readonly #touched: Int32Array
  readonly #isTouched: Uint8Array
  #touchedCount = 0
  #stranded = 0
  /** By demand: whether it is counted as stranded. */
  readonly #isNoted: Uint8Array

  constructor(layout: Layout) {
    const dimensions = Array.from({ length: layout.dimensions }, (_, d) => d)
    const parts = new Parts(layout)
    parts.refresh()
    this.#layout = layout
    this.#every = Int32Array.from(layout.open.keys())
    this.#costs = new HostCosts(parts, layout, { dimensions, hostsMost })
    this.#costs.refresh()
    this.target = new Int32Array(layout.demands).fill(-1)
    this.#guests = new Chains(layout.hosts, layout.demands)
    this.#added = new Float64Array(layout.hosts * layout.dimensions)
    this.#coming = new Float64Array(layout.hosts * layout.dimensions)
    this.#touched = new Int32Array(layout.hosts)
    this.#isTouched = new Uint8Array(layout.hosts)
    this.#isNoted = new Uint8Array(layout.demands)
    for (let host = 0; host < layout.hosts; host += 1) this.#plan(host)
  }

  /** How many would start nowhere if their host were lost. */
  get stranded(): number {
    return this.#stranded
  }

  /** Who would start where if a host were lost, in order of their numbers. */
  of(host: number): readonly { readonly demand: number; readonly target: number }[] {
    const residents = this.#layout.residents.of(host)
    return residents.map(demand => ({ demand, target: this.target[demand]! }))
  }

  /** A demand came, moved or went: its seats in the layout have changed already. */
  follow(demand: number): void {
    const { first, second } = this.#layout
    this.#assign(demand, -1)
    if (first[demand]! < 0) return
    for (const host of [first[demand]!, second[demand]!]) {
      if (host < 0) continue
      this.#costs.renew(host)
      this.#relieve(host)
    }
    this.#load(first[demand]!)
    this.#assign(demand, this.#pick(demand))
    this.#unload()
  }

  /** A host was opened or closed in the layout already. */
  followHost(host: number): void {
    if (this.#layout.open[host] === 1) return
    for (const demand of this.#guests.of(host)) this.#again(demand)
  }

  /** Plans the loss of one host, the largest demands first. */
  #plan(host: number): void {
    const { dimensions, amount, scale } = this.#layout
    const demands = this.#layout.residents.of(host)
    const sizes = new Map<number, number>()
    for (const demand of demands) {
      let size = 0
      for (let d = 0; d < dimensions; d += 1) {
        size += amount[demand * dimensions + d]! * scale[host * dimensions + d]!
      }
      sizes.set(demand, size)
    }
    const order = demands.toSorted((a, b) => sizes.get(b)! - sizes.get(a)! || a - b)
    for (const demand of order) {
      this.#assign(demand, this.#pick(demand))
      if (this.target[demand]! >= 0) this.#bring(demand, this.target[demand]!)
    }
    this.#unload()
  }

  /** Finds another place for those who would no longer have room at a host. */
  #relieve(host: number): void {
    const { dimensions, amount, first, grouped } = this.#layout
    const { heads, next } = this.#guests
    const [crowded, clashing]: [number[], number[]] = [[], []]
    for (let guest = heads[host]!; guest >= 0; guest = next[guest]!) {
      const from = first[guest]!
      for (let d = 0; d < dimensions; d += 1) {
        this.#coming[from * dimensions + d]! += amount[guest * dimensions + d]!
      }
      if (grouped[guest] === 1 && this.#meets(guest, host)) clashing.push(guest)
    }
    for (let guest = heads[host]!; guest >= 0; guest = next[guest]!) {
      const from = first[guest]!
      if (this.#overflows(host, from)) crowded.push(from)
      for (let d = 0; d < dimensions; d += 1) this.#coming[from * dimensions + d] = 0
    }
    for (const guest of clashing.sort((a, b) => a - b)) this.#again(guest)
    if (crowded.length === 0) return
    const guests = this.#guests.of(host)
    for (const from of crowded.sort((a, b) => a - b)) {
      this.#relieveOf(
        guests.filter(guest => first[guest] === from),
        host
      )
    }
  }

  /** Whether those who come from one lost host are too many for another. */
  #overflows(host: number, from: number): boolean {
    const { dimensions, used, limit } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const cell = host * dimensions + d
      const coming = this.#coming[from * dimensions + d]!
      if (coming > 0 && used[cell]! + coming > limit[cell]!) return true
    }
    return false
  }

  /** The guests that come from one lost host, the smallest number first, as long as they fit. */
  #relieveOf(guests: readonly number[], host: number): void {
    const homeless: number[] = []
    for (const guest of guests) {
      if (this.#fits(guest, host, false)) this.#bring(guest, host)
      else homeless.push(guest)
    }
    this.#unload()
    for (const guest of homeless) this.#again(guest)
  }

  #again(demand: number): void {
    this.#assign(demand, -1)
    this.#load(this.#layout.first[demand]!)
    this.#assign(demand, this.#pick(demand))
    this.#unload()
  }

  /** Counts what the plan of a host brings to others. */
  #load(host: number): void {
    const { heads, next } = this.#layout.residents
    for (let each = heads[host]!; each >= 0; each = next[each]!) {
      if (this.target[each]! >= 0) this.#bring(each, this.target[each]!)
    }
  }

  #bring(demand: number, host: number): void {
    const { dimensions, amount, second } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      if (this.#layout.both[d] === 1 && second[demand] === host) continue
      this.#added[host * dimensions + d]! += amount[demand * dimensions + d]!
    }
    if (this.#isTouched[host] === 1) return
    this.#isTouched[host] = 1
    this.#touched[this.#touchedCount] = host
    this.#touchedCount += 1
  }

  #unload(): void {
    const { dimensions } = this.#layout
    for (let index = 0; index < this.#touchedCount; index += 1) {
      const cells = this.#touched[index]! * dimensions
      for (let d = 0; d < dimensions; d += 1) this.#added[cells + d] = 0
      this.#isTouched[this.#touched[index]!] = 0
    }
    this.#touchedCount = 0
  }

  /** Where a demand would start, beside what its plan has brought already; -1: nowhere. */
  #pick(demand: number): number {
    const { second } = this.#layout
    if (second[demand]! >= 0)
      return this.#fits(demand, second[demand]!, true) ? second[demand]! : -1
    const { cheap, sort } = this.#costs
    const listed = this.#cheapest(demand, cheap[sort[demand]!]!, false)
    if (listed >= 0) return listed
    const strict = this.#cheapest(demand, this.#every, false)
    return strict >= 0 ? strict : this.#cheapest(demand, this.#every, true)
  }

  /** The one of some hosts that costs least with what the plan brings there. */
  #cheapest(demand: number, hosts: Int32Array, forced: boolean): number {
    const { costs, sort } = this.#costs
    const row = sort[demand]! * this.#layout.hosts
    let [best, bestCost] = [-1, Infinity]
    for (let index = 0; index < hosts.length; index += 1) {
      const host = hosts[index]!
      const cost = costs[row + host]! + this.#crowding(demand, host)
      if (cost >= bestCost || !this.#fits(demand, host, forced)) continue
      best = host
      bestCost = cost
    }
    return best
  }

  /** What it costs more because of those who come to a host by the same plan. */
  #crowding(demand: number, host: number): number {
    const { dimensions, amount, scale } = this.#layout
    let cost = 0
    for (let d = 0; d < dimensions; d += 1) {
      const added = this.#added[host * dimensions + d]!
      if (added === 0) continue
      const step = scale[host * dimensions + d]!
      cost += 2 * this.#costs.slope(d) * amount[demand * dimensions + d]! * added * step * step
    }
    return cost
  }

  #fits(demand: number, host: number, forced: boolean): boolean {
    const { dimensions, amount, used, limit, hard, open, first, second, both } = this.#layout
    if (open[host] === 0 || host === first[demand]) return false
    for (let d = 0; d < dimensions; d += 1) {
      if (forced && hard[d] === 0) continue
      if (both[d] === 1 && second[demand] === host) continue
      const cell = host * dimensions + d
      const after = used[cell]! + this.#added[cell]! + amount[demand * dimensions + d]!
      if (after > limit[cell]!) return false
    }
    return forced || this.#layout.grouped[demand] === 0 || !this.#meets(demand, host)
  }

  /** Whether a host would then have two of a group: by who is there, and by who comes with it. */
  #meets(demand: number, host: number): boolean {
    const { problem, members, first, open } = this.#layout
    for (let level = 0; level < problem.levels.length; level += 1) {
      const { domain, forbids } = problem.levels[level]!
      if (!forbids || domain[host]! < 0) continue
      for (const group of problem.groups[demand]!) {
        const here = members[level]!.get(domain[host]!, group)
        const isHome = domain[host] === domain[first[demand]!] && open[first[demand]!] === 1
        if (here > (isHome ? 1 : 0)) return true
      }
    }
    return this.#touchedCount > 0 && this.#comesWith(demand, host)
  }

  #comesWith(demand: number, host: number): boolean {
    const { residents, first, problem } = this.#layout
    const groups = problem.groups[demand]!
    for (let each = residents.heads[first[demand]!]!; each >= 0; each = residents.next[each]!) {
      if (each === demand || this.target[each] !== host) continue
      if (problem.groups[each]!.some(group => groups.includes(group))) return true
    }
    return false
  }

  #assign(demand: number, host: number): void {
    const before = this.target[demand]!
    const isStranded = host < 0 && this.#layout.first[demand]! >= 0
    if (before >= 0) this.#guests.drop(before, demand)
    else if (this.#isNoted[demand] === 1) this.#stranded -= 1
    this.#isNoted[demand] = Number(isStranded)
    if (isStranded) this.#stranded += 1
    this.target[demand] = host
    if (host >= 0) this.#guests.add(host, demand)
  }
}
