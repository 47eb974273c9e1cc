/**
 * Who sits where, with every sum that the score needs kept up to date. To give a demand other seats
 * costs as many steps as there are dimensions, however many hosts and demands there are; taking it
 * back is giving it the old seats. What is taken is kept in whole numbers of the problem's units,
 * so it comes back exactly; the sums of shares and of their squares come back to within rounding,
 * and are taken around the mean at the start, where rounding is least.
 *
 * Everything here is typed arrays that the searches beside it read directly: they look at millions
 * of seats. Only `place` and `setOpen` write.
 */
import { Chains } from './chains.ts'
import type { Level, Problem } from './problem.ts'
import { Tally } from './tally.ts'

const centreGrid = 4096

/** The state of a problem: seats, sums, score. */
export class Layout {
  readonly problem: Problem
  readonly hosts: number
  readonly demands: number
  readonly dimensions: number
  readonly first: Int32Array
  readonly second: Int32Array
  readonly open: Uint8Array
  openHosts = 0
  /** By host and dimension. */
  readonly used: Float64Array
  /** By host and dimension: the share taken, less the centre. */
  readonly value: Float64Array
  readonly scale: Float64Array
  readonly limit: Float64Array
  /** By demand and dimension. */
  readonly amount: Float64Array
  /** By dimension, over the open hosts: the sum of values and of their squares. */
  readonly sum: Float64Array
  readonly square: Float64Array
  readonly weight: Float64Array
  readonly both: Uint8Array
  readonly hard: Uint8Array
  readonly centre: Float64Array
  /** By demand: whether it is in a group. */
  readonly grouped: Uint8Array
  /** By host: seats, and first seats. */
  readonly seats: Int32Array
  readonly firsts: Int32Array
  /** By host: what it must keep free, and what it has free of that dimension. */
  readonly kept: Float64Array
  /** By host: the share that one of the reserve's dimension is. */
  readonly keptScale: Float64Array
  readonly short: Uint8Array
  /** By host and the host of the first seats: what second seats would come to need. */
  readonly peers: Tally
  keptSum = 0
  keptSquare = 0
  shortSeats = 0
  clash = 0
  closed = 0
  /** By level: members by group and domain. */
  readonly members: readonly Tally[]
  /** Demands by the host of their first seat, and of their second one. */
  readonly residents: Chains
  readonly copies: Chains
  /** Levels that count when both seats of a pair are in one domain. */
  readonly pairLevels: readonly Level[]

  constructor(problem: Problem) {
    const [hosts, demands] = [problem.open.length, problem.first.length]
    const dimensions = problem.dimensions.length
    this.problem = problem
    this.hosts = hosts
    this.demands = demands
    this.dimensions = dimensions
    this.first = new Int32Array(demands).fill(-1)
    this.second = new Int32Array(demands).fill(-1)
    this.open = Uint8Array.from(problem.open)
    this.used = new Float64Array(hosts * dimensions)
    this.value = new Float64Array(hosts * dimensions)
    this.scale = new Float64Array(hosts * dimensions)
    this.limit = new Float64Array(hosts * dimensions)
    this.amount = new Float64Array(demands * dimensions)
    this.sum = new Float64Array(dimensions)
    this.square = new Float64Array(dimensions)
    this.centre = new Float64Array(dimensions)
    this.weight = Float64Array.from(problem.dimensions, each => each.weight)
    this.both = Uint8Array.from(problem.dimensions, each => Number(each.both))
    this.hard = Uint8Array.from(problem.dimensions, each => Number(each.hard))
    this.grouped = Uint8Array.from(problem.groups, each => Number(each.length > 0))
    this.seats = new Int32Array(hosts)
    this.firsts = new Int32Array(hosts)
    this.kept = new Float64Array(hosts)
    this.keptScale = new Float64Array(hosts)
    this.short = new Uint8Array(hosts)
    this.peers = new Tally(problem.reserve ? hosts : 0, hosts)
    this.residents = new Chains(hosts, demands)
    this.copies = new Chains(hosts, demands)
    const named = 1 + problem.groups.flat().reduce((most, group) => Math.max(most, group), -1)
    const groups = Math.max(named, problem.groupCount ?? 0)
    this.pairLevels = problem.levels.filter(({ pairWeight }) => pairWeight !== 0)
    this.members = problem.levels.map(level => new Tally(domainsOf(level.domain), groups))
    this.#fill()
  }

  /** The score; the lower the better. */
  get score(): number {
    const { reserve } = this.problem
    let score = this.clash + this.closed
    for (let d = 0; d < this.dimensions; d += 1) {
      if (this.weight[d] === 0) continue
      score += this.weight[d]! * deviation(this.sum[d]!, this.square[d]!, this.openHosts)
    }
    if (!reserve) return score
    score += reserve.deviationWeight * deviation(this.keptSum, this.keptSquare, this.openHosts)
    return score + reserve.sumWeight * this.keptSum + reserve.shortWeight * this.shortSeats
  }

  /** Gives a demand these seats; -1: none. */
  place(demand: number, first: number, second: number): void {
    const [oldFirst, oldSecond] = [this.first[demand]!, this.second[demand]!]
    if (oldFirst === first && oldSecond === second) return
    const { reserve } = this.problem
    this.#markPairs(demand, oldFirst, oldSecond, -1)
    if (reserve?.counted[demand]) this.#unkeep(demand, oldFirst, oldSecond)
    if (oldFirst !== first) {
      if (oldFirst >= 0) this.#takeFirst(demand, oldFirst, -1)
      if (oldFirst >= 0) this.residents.drop(oldFirst, demand)
      if (first >= 0) this.#takeFirst(demand, first, 1)
      if (first >= 0) this.residents.add(first, demand)
    }
    if (oldSecond !== second) {
      if (oldSecond >= 0) this.#takeSecond(demand, oldSecond, -1)
      if (oldSecond >= 0) this.copies.drop(oldSecond, demand)
      if (second >= 0) this.#takeSecond(demand, second, 1)
      if (second >= 0) this.copies.add(second, demand)
    }
    this.first[demand] = first
    this.second[demand] = second
    this.#markPairs(demand, first, second, 1)
    if (!reserve) return
    if (reserve.counted[demand]) this.#keep(demand, first, second)
    this.#judge(oldFirst)
    this.#judge(oldSecond)
    this.#judge(first)
    this.#judge(second)
  }

  /** Opens a host or closes it; its seats stay. */
  setOpen(host: number, open: boolean): void {
    if (this.open[host] === Number(open)) return
    const sign = open ? 1 : -1
    const { closedSeatWeight, closedFirstWeight } = this.problem
    this.open[host] = Number(open)
    this.openHosts += sign
    for (let d = 0; d < this.dimensions; d += 1) {
      const value = this.value[host * this.dimensions + d]!
      this.sum[d]! += sign * value
      this.square[d]! += sign * value * value
    }
    const weighed = closedSeatWeight * this.seats[host]! + closedFirstWeight * this.firsts[host]!
    this.closed -= sign * weighed
    for (const demand of this.residents.of(host)) this.#markGroups(demand, host, sign)
    const { reserve } = this.problem
    if (!reserve) return
    const share = this.#keptShare(host)
    this.keptSum += sign * share
    this.keptSquare += sign * share * share
    if (this.short[host]) this.shortSeats += sign * this.seats[host]!
  }

  /** Takes the sums of shares anew, without what rounding has added. */
  recount(): void {
    const { dimensions, hosts, open, used, scale, value, sum, square, centre } = this
    sum.fill(0)
    square.fill(0)
    this.keptSum = 0
    this.keptSquare = 0
    for (let host = 0; host < hosts; host += 1) {
      for (let d = 0; d < dimensions; d += 1) {
        const cell = host * dimensions + d
        const each = used[cell]! * scale[cell]! - centre[d]!
        value[cell] = each
        if (open[host] === 0) continue
        sum[d]! += each
        square[d]! += each * each
      }
      if (!this.problem.reserve || open[host] === 0) continue
      const share = this.#keptShare(host)
      this.keptSum += share
      this.keptSquare += share * share
    }
  }

  /** What is free at a host of the reserve's dimension. */
  free(host: number): number {
    const cell = host * this.dimensions + this.problem.reserve!.dimension
    return this.limit[cell]! - this.used[cell]!
  }

  /** What a host would keep if one more second seat came, whose first seat is there. */
  keptWith(host: number, first: number, amount: number): number {
    return Math.max(this.kept[host]!, this.peers.get(host, first) + amount)
  }

  /** What the host of a pair's second seat would keep without the pair. */
  keptWithout(demand: number): number {
    const { reserve } = this.problem
    const [first, second] = [this.first[demand]!, this.second[demand]!]
    const most = this.kept[second]!
    if (!reserve!.counted[demand]) return most
    const mine = this.peers.get(second, first)
    if (mine < most) return most
    let rest = mine - this.amount[demand * this.dimensions + reserve!.dimension]!
    for (let each = this.copies.heads[second]!; each >= 0; each = this.copies.next[each]!) {
      if (this.first[each]! < 0 || this.first[each] === first) continue
      rest = Math.max(rest, this.peers.get(second, this.first[each]!))
    }
    return rest
  }

  #fill(): void {
    const { problem, dimensions } = this
    for (let host = 0; host < this.hosts; host += 1) this.openHosts += this.open[host]!
    for (const [d, dimension] of problem.dimensions.entries()) {
      for (let host = 0; host < this.hosts; host += 1) {
        const cell = host * dimensions + d
        this.used[cell] = dimension.taken[host]!
        this.limit[cell] = dimension.limit[host]!
        this.scale[cell] = dimension.capacity[host]! > 0 ? 1 / dimension.capacity[host]! : 0
        if (d === problem.reserve?.dimension) this.keptScale[host] = this.scale[cell]!
      }
      for (let demand = 0; demand < this.demands; demand += 1) {
        this.amount[demand * dimensions + d] = dimension.amount[demand]!
      }
    }
    for (let demand = 0; demand < this.demands; demand += 1) {
      this.place(demand, problem.first[demand]!, problem.second[demand]!)
    }
    this.#centre()
    this.recount()
  }

  /** Puts the centres near the means, on a grid so that whole shares stay exact. */
  #centre(): void {
    for (let d = 0; d < this.dimensions; d += 1) {
      let mean = 0
      for (let host = 0; host < this.hosts; host += 1) {
        const cell = host * this.dimensions + d
        if (this.open[host]) mean += (this.used[cell]! * this.scale[cell]!) / this.openHosts
      }
      this.centre[d] = Math.round(mean * centreGrid) / centreGrid
    }
  }

  #takeFirst(demand: number, host: number, sign: number): void {
    const { closedSeatWeight, closedFirstWeight } = this.problem
    this.#take(demand, host, sign, false)
    this.firsts[host]! += sign
    if (!this.open[host]) this.closed += sign * (closedSeatWeight + closedFirstWeight)
    else this.#markGroups(demand, host, sign)
  }

  #takeSecond(demand: number, host: number, sign: number): void {
    this.#take(demand, host, sign, true)
    if (!this.open[host]) this.closed += sign * this.problem.closedSeatWeight
  }

  #take(demand: number, host: number, sign: number, second: boolean): void {
    const { dimensions, open } = this
    for (let d = 0; d < dimensions; d += 1) {
      if (second && this.both[d] === 0) continue
      const cell = host * dimensions + d
      this.used[cell]! += sign * this.amount[demand * dimensions + d]!
      const value = this.used[cell]! * this.scale[cell]! - this.centre[d]!
      const before = this.value[cell]!
      this.value[cell] = value
      if (!open[host]) continue
      this.sum[d]! += value - before
      this.square[d]! += value * value - before * before
    }
    this.seats[host]! += sign
    if (this.short[host] && open[host]) this.shortSeats += sign
  }

  /** Members on closed hosts are not counted. */
  #markGroups(demand: number, host: number, sign: number): void {
    if (this.grouped[demand] === 0) return
    const { levels } = this.problem
    for (const group of this.problem.groups[demand]!) {
      for (let level = 0; level < levels.length; level += 1) {
        const { domain, clashWeight } = levels[level]!
        if (domain[host]! < 0) continue
        const count = this.members[level]!.add(domain[host]!, group, sign)
        if (sign > 0 ? count > 1 : count > 0) this.clash += sign * clashWeight
      }
    }
  }

  #markPairs(demand: number, first: number, second: number, sign: number): void {
    if (first < 0 || second < 0 || !this.problem.pair[demand]) return
    for (const { domain, pairWeight } of this.pairLevels) {
      if (domain[first]! < 0 || domain[first] !== domain[second]) continue
      this.clash += sign * pairWeight
    }
  }

  #unkeep(demand: number, first: number, second: number): void {
    if (first < 0 || second < 0) return
    const amount = this.amount[demand * this.dimensions + this.problem.reserve!.dimension]!
    const before = this.peers.add(second, first, -amount) + amount
    if (before < this.kept[second]!) return
    let most = 0
    for (let each = this.copies.heads[second]!; each >= 0; each = this.copies.next[each]!) {
      if (each === demand || this.first[each]! < 0) continue
      most = Math.max(most, this.peers.get(second, this.first[each]!))
    }
    this.#setKept(second, most)
  }

  #keep(demand: number, first: number, second: number): void {
    if (first < 0 || second < 0) return
    const amount = this.amount[demand * this.dimensions + this.problem.reserve!.dimension]!
    const sum = this.peers.add(second, first, amount)
    if (sum > this.kept[second]!) this.#setKept(second, sum)
  }

  #keptShare(host: number): number {
    return this.kept[host]! * this.keptScale[host]!
  }

  #setKept(host: number, amount: number): void {
    const before = this.#keptShare(host)
    this.kept[host] = amount
    if (!this.open[host]) return
    const share = this.#keptShare(host)
    this.keptSum += share - before
    this.keptSquare += share * share - before * before
  }

  /** Notes whether a host is short of its reserve. */
  #judge(host: number): void {
    if (host < 0) return
    const isShort = Number(this.free(host) < this.kept[host]!)
    if (isShort === this.short[host]) return
    this.short[host] = isShort
    if (this.open[host]) this.shortSeats += isShort ? this.seats[host]! : -this.seats[host]!
  }
}

/** The standard deviation of so many values with this sum and this sum of squares. */
export function deviation(sum: number, square: number, count: number): number {
  const mean = sum / count
  const variance = square / count - mean * mean
  return variance > 0 ? Math.sqrt(variance) : 0
}

const domainsOf = (domain: ArrayLike<number>): number =>
  1 + Array.from(domain).reduce((most, each) => Math.max(most, each), -1)
