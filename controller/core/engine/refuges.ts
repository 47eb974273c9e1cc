/**
 * Where everyone would start if their host were lost, kept as a proof that nobody would be left
 * over: for each loss (of a host, or of a rack at once) a plan in which all that start at a host
 * have room there together, and groups keep apart. Only one loss happens at a time, so a host keeps
 * as much room as the worst loss brings there, not the sum of all; what a host has beyond that may
 * be given away without a look at any plan. So the proof for a newcomer costs two questions: is
 * there such room at its host, and is there a host where it would start, best one whose kept room
 * it does not raise.
 *
 * A pair starts at its second seat and nowhere else. Who has no refuge although all hosts were
 * asked is stranded; that is only so with those who were there at the start, since whoever would
 * become stranded later is not let in.
 */
import { Chains } from './chains.ts'
import type { Layout } from './layout.ts'
import type { Members } from './members.ts'

/** What is told of a host whose kept room has changed. */
export type KeptChanged = (host: number) => void

/** More than any share of a host's room. */
const unlimited = 1e6

/** How refuges are kept. */
export type RefugeRules = {
  /** By host: the number of the loss that takes it. */
  readonly lossOf: Int32Array
  /** Whether room is kept on few hosts, which leaves others to be filled, or on all alike. */
  readonly gathers: boolean
  /** By demand: its kind; whether a host takes demands of a kind. */
  readonly takes: (host: number, demand: number) => boolean
  readonly members: Members
}

/** Refuges of all demands of a layout; the caller tells of each change of it. */
export class Refuges {
  readonly #layout: Layout
  readonly #rules: RefugeRules
  readonly #changed: KeptChanged
  /** The dimensions in which room is kept: those in which no limit is ever passed. */
  readonly held: readonly number[]
  /** By host and held dimension: what the worst loss brings there. */
  readonly kept: Float64Array
  /** By demand: where it would start; -1: nowhere. */
  readonly refuge: Int32Array
  readonly losses: number
  readonly #hostsOf: readonly (readonly number[])[]
  /** What each loss brings to each host, where it brings anything: numbers of streams. */
  readonly #streams = new Map<number, number>()
  readonly #coming: Float64Array
  readonly #guests: Int32Array
  readonly #lossOfStream: Int32Array
  readonly #hostOfStream: Int32Array
  readonly #byHost: Chains
  readonly #byLoss: Chains
  readonly #spare: Int32Array
  #spareCount: number
  /** By loss: where the last of its demands went. */
  readonly #last: Int32Array
  /** By host and held dimension: what the loss in hand brings there. */
  readonly #bringing: Float64Array
  /** Where demands went before, so that a try can be taken back. */
  readonly #log: number[] = []
  readonly #stranded = new Set<number>()

  constructor(layout: Layout, rules: RefugeRules, changed: KeptChanged) {
    const { hosts, demands } = layout
    this.#layout = layout
    this.#rules = rules
    this.#changed = changed
    this.held = layout.problem.dimensions.flatMap(({ hard }, d) => (hard ? [d] : []))
    this.kept = new Float64Array(hosts * this.held.length)
    this.refuge = new Int32Array(demands).fill(-1)
    this.losses = 1 + rules.lossOf.reduce((most, each) => Math.max(most, each), -1)
    this.#hostsOf = hostsByLoss(rules.lossOf, this.losses)
    this.#coming = new Float64Array(demands * this.held.length)
    this.#guests = new Int32Array(demands)
    this.#lossOfStream = new Int32Array(demands)
    this.#hostOfStream = new Int32Array(demands)
    this.#byHost = new Chains(hosts, demands)
    this.#byLoss = new Chains(this.losses, demands)
    this.#spare = Int32Array.from({ length: demands }, (_, at) => demands - 1 - at)
    this.#spareCount = demands
    this.#last = new Int32Array(this.losses).fill(-1)
    this.#bringing = new Float64Array(hosts * this.held.length)
    this.#planAll()
  }

  /** Who would start nowhere. */
  get stranded(): ReadonlySet<number> {
    return this.#stranded
  }

  /** What a loss brings to a host in a held dimension. */
  coming(loss: number, host: number, k: number): number {
    const stream = this.#streams.get(loss * this.#layout.hosts + host)
    return stream === undefined ? 0 : this.#coming[stream * this.held.length + k]!
  }

  /** Where a demand that sits at a host, or is about to, would start; -1: there is no room. */
  find(demand: number, host: number): number {
    const loss = this.#rules.lossOf[host]!
    const last = this.#last[loss]!
    if (last >= 0 && this.#suits(demand, loss, last)) {
      const fit = this.#fit(demand, last, this.#streams.get(loss * this.#layout.hosts + last))
      if (fit === 'free' || (fit === 'raises' && this.#rules.gathers)) return last
    }
    return this.#search(demand, loss)
  }

  /** Sends a demand to a refuge; -1: to none. */
  send(demand: number, host: number): void {
    const before = this.refuge[demand]!
    if (before === host) return
    this.#log.push(demand, before)
    this.#move(demand, host)
  }

  /** From here on everything can be taken back. */
  begin(): void {
    this.#log.length = 0
  }

  /** Takes everything back since it was begun; demands must sit where they sat. */
  takeBack(): void {
    for (let at = this.#log.length - 2; at >= 0; at -= 2) {
      this.#move(this.#log[at]!, this.#log[at + 1]!)
    }
    this.#log.length = 0
  }

  /** The losses that bring more to a host than it has free, the worst first. */
  crowdsAt(host: number): readonly number[] {
    const crowds: { readonly loss: number; readonly excess: number }[] = []
    const { heads, next } = this.#byHost
    for (let stream = heads[host]!; stream >= 0; stream = next[stream]!) {
      let excess = 0
      for (let k = 0; k < this.held.length; k += 1) {
        const coming = this.#coming[stream * this.held.length + k]!
        excess = Math.max(excess, (coming - this.#free(host, k)) * this.#scale(host, k))
      }
      if (excess > 0) crowds.push({ loss: this.#lossOfStream[stream]!, excess })
    }
    return crowds.sort((a, b) => b.excess - a.excess || a.loss - b.loss).map(({ loss }) => loss)
  }

  /** Plans a whole loss anew, the largest first; false: someone who had a place has none. */
  replan(loss: number): boolean {
    const demands = this.#leaving(loss).filter(demand => !this.#stranded.has(demand))
    for (const demand of demands) this.send(demand, -1)
    for (const demand of demands) {
      const host = this.#search(demand, loss)
      if (host < 0) return false
      this.send(demand, host)
    }
    return true
  }

  /** Plans a whole loss anew, with one more who has no refuge yet; false: there is no room. */
  replanWith(demand: number): boolean {
    return this.replan(this.#rules.lossOf[this.#layout.first[demand]!]!)
  }

  /** Those who would have to start near where a demand is, and must not. */
  guestsNear(demand: number): readonly number[] {
    const { members, lossOf } = this.#rules
    return members.guestsNear(demand, this.#layout.first[demand]!, this.refuge, lossOf)
  }

  /** Tells that a demand has gone: it must have sat at a host until now. */
  forget(demand: number): void {
    if (this.refuge[demand]! >= 0) this.#move(demand, -1)
    this.#stranded.delete(demand)
  }

  /** Gives those who are stranded another try. */
  rescue(): void {
    for (const demand of this.#stranded) {
      const host = this.find(demand, this.#layout.first[demand]!)
      if (host < 0) continue
      this.#move(demand, host)
      this.#stranded.delete(demand)
    }
  }

  #planAll(): void {
    for (let loss = 0; loss < this.losses; loss += 1) {
      for (const demand of this.#leaving(loss)) {
        const host = this.find(demand, this.#layout.first[demand]!)
        if (host < 0) this.#stranded.add(demand)
        else this.#move(demand, host)
      }
    }
  }

  /** Who leaves with a loss, the largest first. */
  #leaving(loss: number): readonly number[] {
    const { amount, dimensions, residents } = this.#layout
    const sizes = new Map<number, number>()
    for (const host of this.#hostsOf[loss]!) {
      for (let each = residents.heads[host]!; each >= 0; each = residents.next[each]!) {
        let size = 0
        for (const [k, d] of this.held.entries()) {
          size += amount[each * dimensions + d]! * this.#scale(host, k)
        }
        sizes.set(each, size)
      }
    }
    return [...sizes.keys()].sort((a, b) => sizes.get(b)! - sizes.get(a)! || a - b)
  }

  /**
   * Looks at all hosts: those first whose kept room need not be raised, of these the one with most
   * room left; else the one with most room, or, where room is kept on all alike, the one that has
   * most to give away.
   */
  #search(demand: number, loss: number): number {
    const { hosts, second, open, amount, dimensions, limit, used, scale } = this.#layout
    const { held, kept } = this
    const bringing = this.#bringing
    const width = held.length
    const { gathers } = this.#rules
    const pair = second[demand]!
    this.#load(loss)
    let [best, bestWorth] = [-1, Number.NEGATIVE_INFINITY]
    const [from, until] = pair >= 0 ? [pair, pair + 1] : [0, hosts]
    for (let host = from; host < until; host += 1) {
      if (open[host] === 0) continue
      let [left, slack, raise] = [unlimited, unlimited, 0]
      for (let k = 0; k < width; k += 1) {
        const cell = host * dimensions + held[k]!
        const mine = amount[demand * dimensions + held[k]!]!
        if (mine === 0) continue
        const more = pair >= 0 ? this.#adds(demand, host, k, mine) : mine
        const after = bringing[host * width + k]! + more
        const rest = (limit[cell]! - used[cell]! - after) * scale[cell]!
        const raised = (after - kept[host * width + k]!) * scale[cell]!
        if (raised > 0) raise = 1
        if (rest < left) left = rest
        if (raised < 0 && rest + raised < slack) slack = rest + raised
        else if (raised >= 0 && rest < slack) slack = rest
      }
      if (left < 0) continue
      const worth = (raise === 0 ? unlimited : 0) + (raise === 0 || gathers ? left : slack)
      if (worth <= bestWorth || !this.#suits(demand, loss, host)) continue
      best = host
      bestWorth = worth
    }
    this.#unload(loss)
    return best
  }

  /** Counts what a loss brings to each host already. */
  #load(loss: number): void {
    const width = this.held.length
    const { heads, next } = this.#byLoss
    for (let stream = heads[loss]!; stream >= 0; stream = next[stream]!) {
      const cells = this.#hostOfStream[stream]! * width
      for (let k = 0; k < width; k += 1) {
        this.#bringing[cells + k] = this.#coming[stream * width + k]!
      }
    }
  }

  #unload(loss: number): void {
    const width = this.held.length
    const { heads, next } = this.#byLoss
    for (let stream = heads[loss]!; stream >= 0; stream = next[stream]!) {
      const cells = this.#hostOfStream[stream]! * width
      for (let k = 0; k < width; k += 1) this.#bringing[cells + k] = 0
    }
  }

  /** What a demand adds at its refuge: a copy there takes nothing more of what both seats take. */
  #adds(demand: number, host: number, k: number, amount: number): number {
    const { both, second } = this.#layout
    return second[demand] === host && both[this.held[k]!] === 1 ? 0 : amount
  }

  #fit(demand: number, host: number, stream: number | undefined): 'free' | 'raises' | 'none' {
    const { amount, dimensions } = this.#layout
    const width = this.held.length
    let fit: 'free' | 'raises' = 'free'
    for (let k = 0; k < width; k += 1) {
      const mine = amount[demand * dimensions + this.held[k]!]!
      if (mine === 0) continue
      const after = mine + (stream === undefined ? 0 : this.#coming[stream * width + k]!)
      if (after <= this.kept[host * width + k]!) continue
      if (after > this.#free(host, k)) return 'none'
      fit = 'raises'
    }
    return fit
  }

  #suits(demand: number, loss: number, host: number): boolean {
    const { lossOf, takes, members } = this.#rules
    if (lossOf[host] === loss || this.#layout.open[host] === 0) return false
    if (this.#layout.second[demand]! >= 0) return this.#layout.second[demand] === host
    if (!takes(host, demand)) return false
    if (this.#layout.grouped[demand] === 0) return true
    return !members.clashAfter({ demand, host, loss, lossOf, refuge: this.refuge })
  }

  #free(host: number, k: number): number {
    const { limit, used, dimensions } = this.#layout
    const cell = host * dimensions + this.held[k]!
    return limit[cell]! - used[cell]!
  }

  #scale(host: number, k: number): number {
    return this.#layout.scale[host * this.#layout.dimensions + this.held[k]!]!
  }

  #move(demand: number, host: number): void {
    const before = this.refuge[demand]!
    const loss = this.#rules.lossOf[this.#layout.first[demand]!]!
    this.refuge[demand] = host
    if (before >= 0) this.#take(demand, loss, before)
    if (host < 0) return
    this.#bring(demand, loss, host)
    this.#last[loss] = host
  }

  #bring(demand: number, loss: number, host: number): void {
    const { hosts, amount, dimensions } = this.#layout
    const width = this.held.length
    const key = loss * hosts + host
    let stream = this.#streams.get(key)
    if (stream === undefined) {
      this.#spareCount -= 1
      stream = this.#spare[this.#spareCount]!
      this.#streams.set(key, stream)
      this.#lossOfStream[stream] = loss
      this.#hostOfStream[stream] = host
      this.#coming.fill(0, stream * width, (stream + 1) * width)
      this.#guests[stream] = 0
      this.#byHost.add(host, stream)
      this.#byLoss.add(loss, stream)
    }
    this.#guests[stream]! += 1
    let raised = false
    for (let k = 0; k < width; k += 1) {
      const mine = this.#adds(demand, host, k, amount[demand * dimensions + this.held[k]!]!)
      this.#coming[stream * width + k]! += mine
      if (this.#coming[stream * width + k]! <= this.kept[host * width + k]!) continue
      this.kept[host * width + k] = this.#coming[stream * width + k]!
      raised = true
    }
    if (raised) this.#changed(host)
  }

  #take(demand: number, loss: number, host: number): void {
    const { hosts, amount, dimensions } = this.#layout
    const width = this.held.length
    const key = loss * hosts + host
    const stream = this.#streams.get(key)!
    this.#guests[stream]! -= 1
    let falls = false
    for (let k = 0; k < width; k += 1) {
      const mine = this.#adds(demand, host, k, amount[demand * dimensions + this.held[k]!]!)
      if (mine === 0) continue
      if (this.#coming[stream * width + k] === this.kept[host * width + k]) falls = true
      this.#coming[stream * width + k]! -= mine
    }
    if (this.#guests[stream] === 0) {
      this.#byHost.drop(host, stream)
      this.#byLoss.drop(loss, stream)
      this.#streams.delete(key)
      this.#spare[this.#spareCount] = stream
      this.#spareCount += 1
    }
    if (falls && this.#keepLess(host)) this.#changed(host)
  }

  /** Reckons what a host keeps anew; false: it is the same. */
  #keepLess(host: number): boolean {
    const width = this.held.length
    const { heads, next } = this.#byHost
    let changed = false
    for (let k = 0; k < width; k += 1) {
      const before = this.kept[host * width + k]!
      let most = 0
      for (let stream = heads[host]!; stream >= 0 && most < before; stream = next[stream]!) {
        most = Math.max(most, this.#coming[stream * width + k]!)
      }
      if (most === before) continue
      this.kept[host * width + k] = most
      changed = true
    }
    return changed
  }
}

function hostsByLoss(lossOf: Int32Array, losses: number): readonly (readonly number[])[] {
  const hosts: number[][] = Array.from({ length: losses }, () => [])
  for (const [host, loss] of lossOf.entries()) hosts[loss]!.push(host)
  return hosts
}
