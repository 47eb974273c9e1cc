/**
 * How low the score could come at best if one demand moved: what its leaving gives is exact, what
 * its coming costs is taken at the host where each dimension, alone, would like it most. A search
 * looks closer only at moves whose bound is lower than the best that it has, and still finds what
 * looking at all of them would find.
 */
import { HostCosts } from './host-costs.ts'
import { deviation, type Layout } from './layout.ts'
import { Parts } from './parts.ts'

/**
 * The ways in which a demand moves, in the order in which equal ones are preferred. `swap`: its two
 * seats change places; `second`: another second seat; `follow`: another first seat, and the second
 * one goes to where the first was; `first`: another first seat; `lead`: the second seat becomes the
 * first one, and another host gets the second. A demand with one seat knows only `first`.
 */
export const ways = { swap: 0, second: 1, follow: 2, first: 3, lead: 4 } as const
/** How many ways there are. */
export const wayCount = 5

/** Works out bounds for one layout; `refresh` after each change of it. */
export class Bounds {
  readonly #layout: Layout
  readonly #parts: Parts
  /** What hosts cost a first seat, in all dimensions, and a second one. */
  readonly #asFirst: HostCosts
  readonly #asSecond: HostCosts
  readonly #list: Int32Array
  #count = 0
  /** By demand: sums of what hosts keep without it, what its second host keeps, the bound. */
  readonly #keptSum: Float64Array
  readonly #keptSquare: Float64Array
  readonly #keptWithout: Float64Array
  readonly #keptBound: Float64Array
  readonly #keptStill: Float64Array
  readonly #keptDimension: number
  readonly #keptWeight: number
  #keptLeast = 0
  #keptScale = 0

  /** With `hostsMost` only so many hosts, the cheapest, are looked at for each sort. */
  constructor(layout: Layout, hostsMost = layout.hosts) {
    const { dimensions, demands } = layout
    this.#layout = layout
    this.#list = new Int32Array(layout.hosts)
    this.#keptSum = new Float64Array(demands)
    this.#keptSquare = new Float64Array(demands)
    this.#keptWithout = new Float64Array(demands)
    this.#keptBound = new Float64Array(demands)
    this.#keptStill = new Float64Array(demands)
    this.#keptDimension = layout.problem.reserve?.dimension ?? 0
    this.#keptWeight = layout.problem.reserve?.sumWeight ?? 0
    const all = Array.from({ length: dimensions }, (_, d) => d).filter(d => layout.weight[d]! > 0)
    const both = all.filter(d => layout.both[d] === 1)
    this.#parts = new Parts(layout)
    this.#asFirst = new HostCosts(this.#parts, layout, { dimensions: all, hostsMost })
    this.#asSecond = new HostCosts(this.#parts, layout, { dimensions: both, hostsMost })
  }

  /** Looks at all hosts anew. */
  refresh(): void {
    const layout = this.#layout
    const { hosts, open } = layout
    this.#parts.refresh()
    this.#asFirst.refresh()
    this.#asSecond.refresh()
    if (!layout.problem.reserve) return
    this.#keptLeast = Infinity
    this.#keptScale = 0
    for (let host = 0; host < hosts; host += 1) {
      if (open[host] === 0) continue
      this.#keptLeast = Math.min(this.#keptLeast, layout.kept[host]! * layout.keptScale[host]!)
      this.#keptScale = Math.max(this.#keptScale, layout.keptScale[host]!)
    }
  }

  /** Follows one host that has changed, without a look at all others. */
  renew(host: number): void {
    this.#asFirst.renew(host)
    this.#asSecond.renew(host)
  }

  /** The hosts that `within` has found last. */
  get list(): Int32Array {
    return this.#list
  }

  /**
   * Lists the hosts with which a way of a demand could still come below a score, and says how many
   * they are; `bound` is what `write` gave for it.
   */
  within(demand: number, way: number, bound: number, below: number): number {
    const layout = this.#layout
    const isSecond = way === ways.second || way === ways.lead
    const joint = isSecond ? this.#asSecond : this.#asFirst
    const sort = joint.sort[demand]!
    const room = below - bound + joint.least[sort]!
    const [first, second] = [layout.first[demand]!, layout.second[demand]!]
    const keeps = second >= 0 && layout.problem.reserve?.counted[demand]
    const other = way === ways.second || way === ways.follow ? first : second
    this.#count = 0
    if (!keeps) this.#listCheap(joint, sort, room, first)
    else if (isSecond) this.#listSeconds({ demand, joint, sort, room, other })
    else this.#listFirsts({ demand, joint, sort, room, other })
    return this.#count
  }

  #listCheap({ costs, cheap }: HostCosts, sort: number, room: number, first: number): void {
    const { hosts, open } = this.#layout
    const row = sort * hosts
    const list = cheap[sort]!
    for (let index = 0; index < list.length; index += 1) {
      const host = list[index]!
      if (costs[row + host]! >= room || open[host] === 0 || host === first) continue
      this.#list[this.#count] = host
      this.#count += 1
    }
  }

  /** Each host would keep more for the one where the first seat is. */
  #listSeconds({ demand, joint, sort, room, other }: Listing): void {
    const { costs } = joint
    const list = joint.cheap[sort]!
    const { hosts, open, kept, keptScale, peers, amount, dimensions, first, second } = this.#layout
    const { cells } = peers
    const [mine, still] = [
      amount[demand * dimensions + this.#keptDimension]!,
      this.#keptStill[demand]!
    ]
    const [here, there, weight] = [first[demand]!, second[demand]!, this.#keptWeight]
    const row = sort * hosts
    for (let index = 0; index < list.length; index += 1) {
      const host = list[index]!
      const cost = costs[row + host]!
      if (cost >= room || open[host] === 0 || host === here || host === there) continue
      const peer = cells ? cells[host * hosts + other]! : peers.get(host, other)
      const more = peer + mine - kept[host]!
      if (more <= 0) {
        if (cost + still >= room) continue
      } else {
        const scale = keptScale[host]!
        if (cost + weight * more * scale >= room) continue
        if (cost + this.#keepMore(demand, more * scale, kept[host]! * scale) >= room) continue
      }
      this.#list[this.#count] = host
      this.#count += 1
    }
  }

  /** One host keeps more for each where the first seat could be. */
  #listFirsts({ demand, joint, sort, room, other }: Listing): void {
    const { costs } = joint
    const list = joint.cheap[sort]!
    const { hosts, open, kept, keptScale, peers, amount, dimensions, first, second } = this.#layout
    const { cells } = peers
    const [mine, still] = [
      amount[demand * dimensions + this.#keptDimension]!,
      this.#keptStill[demand]!
    ]
    const [here, there] = [first[demand]!, second[demand]!]
    const before = other === there ? this.#keptWithout[demand]! : kept[other]!
    const isOpen = open[other] === 1
    const scale = keptScale[other]!
    const row = sort * hosts
    for (let index = 0; index < list.length; index += 1) {
      const host = list[index]!
      const cost = costs[row + host]!
      if (cost >= room || open[host] === 0 || host === here || host === there) continue
      const peer = cells ? cells[other * hosts + host]! : peers.get(other, host)
      const more = peer + mine - before
      if (more <= 0 || !isOpen) {
        if (cost + still >= room) continue
      } else {
        if (cost + this.#keptWeight * more * scale >= room) continue
        if (cost + this.#keepMore(demand, more * scale, before * scale) >= room) continue
      }
      this.#list[this.#count] = host
      this.#count += 1
    }
  }

  /** What the reserve's part is beyond its bound when a host keeps more by such a share. */
  #keepMore(demand: number, rise: number, share: number): number {
    const { deviationWeight } = this.#layout.problem.reserve!
    const sum = this.#keptSum[demand]! + rise
    const square = this.#keptSquare[demand]! + rise * (2 * share + rise)
    const spread = deviation(sum, square, this.#layout.openHosts)
    return deviationWeight * spread + this.#keptWeight * sum - this.#keptBound[demand]!
  }

  /**
   * A number that demands share of which one moves as well as another: they take the same, sit on
   * one host and are in no group. -1: there is none like this one.
   */
  likeness(demand: number): number {
    const { grouped, first, second, hosts } = this.#layout
    if (second[demand]! >= 0 || grouped[demand] === 1) return -1
    return this.#asFirst.sort[demand]! * hosts + first[demand]!
  }

  get likenesses(): number {
    return this.#asFirst.sorts * this.#layout.hosts
  }

  /** The bound of a demand with one seat, which knows one way only. */
  single(demand: number): number {
    const layout = this.#layout
    const { dimensions, weight } = layout
    const first = layout.first[demand]!
    let moved = 0
    for (let d = 0; d < dimensions; d += 1) {
      if (weight[d] !== 0) moved += this.#parts.moved(demand, d, first)
    }
    // Where nobody clashes with anybody none of it goes with a demand.
    const isPlain = layout.grouped[demand] === 0 || layout.clash === 0
    const rest =
      isPlain && layout.open[first] === 1 && !layout.problem.reserve
        ? layout.clash + layout.closed
        : this.#rest(demand, first, -1)
    return rest + moved + this.#asFirst.least[this.#asFirst.sort[demand]!]!
  }

  /** Writes the bound of each way that a demand knows, as a score; infinity for the others. */
  write(demand: number, into: Float64Array, at: number): void {
    const layout = this.#layout
    const first = layout.first[demand]!
    const second = layout.second[demand]!
    if (second < 0) {
      into.fill(Infinity, at, at + wayCount)
      into[at + ways.first] = this.single(demand)
      return
    }
    let [moved, swapped, firstMoved, secondMoved, still, stillBoth] = [0, 0, 0, 0, 0, 0]
    for (let d = 0; d < layout.dimensions; d += 1) {
      if (layout.weight[d] === 0) continue
      const gone = this.#parts.moved(demand, d, first)
      if (layout.both[d] === 1) {
        stillBoth += this.#parts.now[d]!
        firstMoved += gone
        secondMoved += this.#parts.moved(demand, d, second)
      } else {
        still += this.#parts.now[d]!
        moved += gone
        swapped += this.#exchanged(demand, d, first, second)
      }
    }
    const rest = this.#rest(demand, first, second)
    const asFirst = rest + this.#asFirst.least[this.#asFirst.sort[demand]!]!
    const asSecond = rest + this.#asSecond.least[this.#asSecond.sort[demand]!]!
    into[at + ways.swap] = rest + swapped + stillBoth
    into[at + ways.second] = asSecond + still + secondMoved
    into[at + ways.follow] = asFirst + moved + secondMoved
    into[at + ways.first] = asFirst + moved + firstMoved
    into[at + ways.lead] = asSecond + swapped + firstMoved
  }

  #deviation(d: number, sum: number, square: number): number {
    const { sum: sums, square: squares, openHosts } = this.#layout
    return deviation(sums[d]! + sum, squares[d]! + square, openHosts)
  }

  /** Exactly what a dimension's part becomes when a demand goes from one host to another. */
  #exchanged(demand: number, d: number, from: number, to: number): number {
    const layout = this.#layout
    const amount = layout.amount[demand * layout.dimensions + d]!
    let [sum, square] = [0, 0]
    if (layout.open[from] === 1) {
      const cell = from * layout.dimensions + d
      const down = amount * layout.scale[cell]!
      sum -= down
      square -= down * (2 * layout.value[cell]! - down)
    }
    if (layout.open[to] === 1) {
      const cell = to * layout.dimensions + d
      const up = amount * layout.scale[cell]!
      sum += up
      square += up * (2 * layout.value[cell]! + up)
    }
    return layout.weight[d]! * this.#deviation(d, sum, square)
  }

  /** Everything but the dimensions, at its best. */
  #rest(demand: number, first: number, second: number): number {
    const layout = this.#layout
    const { problem, dimensions } = layout
    let rest = layout.clash + layout.closed
    if (second >= 0 || layout.grouped[demand] === 1) rest -= this.#clashesOf(demand, first, second)
    if (layout.open[first] === 0) rest -= problem.closedSeatWeight + problem.closedFirstWeight
    if (second >= 0 && layout.open[second] === 0) rest -= problem.closedSeatWeight
    const { reserve } = problem
    if (!reserve) return rest
    let short = layout.shortSeats
    if (layout.short[first] === 1 && layout.open[first] === 1) short -= layout.seats[first]!
    if (second < 0) {
      const spread = deviation(layout.keptSum, layout.keptSquare, layout.openHosts)
      rest += reserve.deviationWeight * spread + reserve.sumWeight * layout.keptSum
      return rest + reserve.shortWeight * short
    }
    if (layout.short[second] === 1 && layout.open[second] === 1) short -= layout.seats[second]!
    const amount = layout.amount[demand * dimensions + reserve.dimension]!
    const isOpen = layout.open[second] === 1
    const scale = layout.keptScale[second]!
    const before = layout.kept[second]! * scale
    const without = isOpen ? layout.keptWithout(demand) : layout.kept[second]!
    const after = without * scale
    const sum = layout.keptSum + after - before
    const square = layout.keptSquare + after * after - before * before
    const share = Math.min(this.#keptLeast, after)
    const ideal = (sum / layout.openHosts - share) / (1 - 1 / layout.openHosts)
    const rise = Math.min(Math.max(ideal, 0), amount * this.#keptScale)
    const spread = deviation(sum + rise, square + rise * (2 * share + rise), layout.openHosts)
    const bound = reserve.deviationWeight * spread + reserve.sumWeight * sum
    this.#keptSum[demand] = sum
    this.#keptSquare[demand] = square
    this.#keptWithout[demand] = without
    this.#keptBound[demand] = bound
    this.#keptStill[demand] = this.#keepMore(demand, 0, 0)
    return rest + bound + reserve.shortWeight * short
  }

  #clashesOf(demand: number, first: number, second: number): number {
    const { problem, members, open } = this.#layout
    const groups = problem.groups[demand]!
    let clash = 0
    for (let level = 0; level < problem.levels.length; level += 1) {
      const { domain, clashWeight, pairWeight } = problem.levels[level]!
      const here = domain[first]!
      if (here < 0) continue
      if (second >= 0 && here === domain[second]!) clash += pairWeight
      if (open[first] === 0) continue
      for (const group of groups) {
        if (members[level]!.get(here, group) > 1) clash += clashWeight
      }
    }
    return clash
  }
}

type Listing = {
  readonly demand: number
  readonly joint: HostCosts
  readonly sort: number
  readonly room: number
  /** The host of the pair's other seat. */
  readonly other: number
}
