/**
 * Who leaves each host and who comes to it, all hosts at once, by shape. To level many hosts by
 * few moves hangs on sums of many that fit, which searches that change one or two at a time do not
 * find. But what ties the hosts together is little: of each shape as many come as leave, and all
 * moves together are at most so many. So each of these gets a price (a Lagrange multiplier), and
 * with given prices every host chooses alone and exactly (`host-choice.ts`). Host after host
 * chooses anew; of what is offered more than it is wanted the price falls, and the other way round,
 * so that both meet but for a few; and the price of a move rises while there are too many.
 *
 * Costs are those of the score: the deviation of an axis rises with each square by its weight over
 * twice the deviation itself. Groups and what hosts refuse are not looked at here.
 */
import { HostChoice } from './host-choice.ts'
import type { Layout } from './layout.ts'
import { Lots } from './lots.ts'
import { type Shapes, totalOf } from './shapes.ts'

/** What one too many lowers a shape's price at once, if of mean size: a share of a move's price. */
const pressure = 0.05
/** As much of that stays for good at the end of a round. */
const memory = 0.3
/** Rounds in which both axes count alike: the one that is level already would be favoured. */
const roundsAlike = 3
/** A deviation counts as at least so much of what both are on average. */
const deviationLeast = 0.25
/** The most by which the price of a move changes in a round, as an exponent; less and less. */
const haste = 1
const hasteRounds = 8
const eagerness = 2
/** The price of a move at first: such a share of what a move may gain on average. */
const firstPrice = 0.4

/** What the market is about. */
export type Trade = {
  readonly movesMax: number
  readonly seed: number
  /** By shape: how many have no seat, and are to get one. */
  readonly offered: Int32Array
}

/** Finds for each host what leaves and what comes. */
export class Market {
  readonly #layout: Layout
  readonly #shapes: Shapes
  readonly #trade: Trade
  readonly #choice: HostChoice
  readonly #hosts: Int32Array
  /** By host and shape: how many are there. */
  readonly #counts: Int32Array
  /** By host and axis: its share less the middle, before and after; and the share of one step. */
  readonly #away: Float64Array
  readonly #left: Float64Array
  readonly #scale: Float64Array
  readonly #columns: Int32Array
  #rounds = 0
  readonly #leaves: Int32Array
  #moves = 0
  /** By shape: how many more are wanted than offered, and its price. */
  readonly #wanted: Float64Array
  readonly #pressure: Float64Array
  readonly #prices: Float64Array
  readonly #coming: Float64Array
  readonly #leaving: Float64Array
  #movePrice: number
  readonly #lots: Lots

  /** All other demands sit where they come from. */
  constructor(layout: Layout, shapes: Shapes, trade: Trade) {
    this.#layout = layout
    this.#shapes = shapes
    this.#trade = trade
    this.#choice = new HostChoice(shapes)
    this.#hosts = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
    this.#counts = new Int32Array(layout.hosts * shapes.count)
    for (const [demand, shape] of shapes.of.entries()) {
      if (shape >= 0 && layout.first[demand]! >= 0)
        this.#counts[layout.first[demand]! * shapes.count + shape]! += 1
    }
    this.#away = new Float64Array(2 * layout.hosts)
    this.#scale = new Float64Array(2 * layout.hosts)
    for (const axis of [0, 1] as const) this.#measure(axis)
    this.#left = Float64Array.from(this.#away)
    this.#columns = new Int32Array(this.#counts.length)
    this.#leaves = new Int32Array(layout.hosts)
    this.#wanted = Float64Array.from(trade.offered, each => -each)
    this.#moves = trade.offered.reduce((sum, each) => sum + each, 0)
    this.#pressure = this.#pressures()
    this.#prices = new Float64Array(shapes.count)
    this.#coming = new Float64Array(shapes.count)
    this.#leaving = new Float64Array(shapes.count)
    this.#movePrice = (firstPrice * this.value * this.#hosts.length) / Math.max(1, trade.movesMax)
    this.#lots = new Lots(trade.seed)
  }

  /** How much work a round is at most: steps of the innermost loop. */
  get work(): number {
    return this.#hosts.reduce((sum, host) => sum + this.#choice.work(this.#asked(host)), 0)
  }

  /** By host and shape: how many more come than leave, as the market stands. */
  get columns(): Int32Array {
    return this.#columns
  }

  /** How many move, as the market stands. */
  get moves(): number {
    return this.#moves
  }

  /** Has each host choose once more. */
  round(): void {
    const cost = this.#costs(this.#rounds < roundsAlike)
    this.#rounds += 1
    this.#shuffle()
    for (const host of this.#hosts) this.#choose(host, cost)
    this.#reprice()
  }

  #measure(axis: 0 | 1): void {
    const { layout, dimension, unit } = { layout: this.#layout, ...this.#shapes.axes[axis] }
    if (dimension < 0) return
    const { taken, capacity } = totalOf(layout, dimension)
    const { offered } = this.#trade
    const more = offered.reduce((sum, each, k) => sum + each * this.#shapes.steps[2 * k + axis]!, 0)
    const middle = capacity > 0 ? (taken + more * unit) / capacity : 0
    for (const host of this.#hosts) {
      const cell = host * layout.dimensions + dimension
      this.#scale[2 * host + axis] = layout.scale[cell]! * unit
      if (layout.scale[cell]! > 0) this.#away[2 * host + axis] = layout.value[cell]! - middle
    }
  }

  /** By shape: larger ones do more harm where they have no place. */
  #pressures(): Float64Array {
    const { count, steps } = this.#shapes
    const size = (k: number): number => {
      const share = (axis: 0 | 1): number => {
        const scale = this.#hosts.reduce((sum, host) => sum + this.#scale[2 * host + axis]!, 0)
        return this.#weight(axis) * steps[2 * k + axis]! * scale
      }
      return Math.hypot(share(0), share(1))
    }
    const sizes = Float64Array.from({ length: count }, (_, k) => size(k))
    const many = Array.from({ length: count }, (_, k) => {
      let sum = this.#trade.offered[k]!
      for (let at = k; at < this.#counts.length; at += count) sum += this.#counts[at]!
      return sum
    })
    const mean = many.reduce((sum, each, k) => sum + each * sizes[k]!, 0)
    const all = many.reduce((sum, each) => sum + each, 0)
    return sizes.map(each => (mean > 0 ? (pressure * each * all) / mean : pressure))
  }

  /** What a host is asked in each round alike. */
  #asked(host: number) {
    const [away, scale] = [this.#away, this.#scale]
    return {
      ...{ counts: this.#counts, countsFrom: host * this.#shapes.count },
      away: [away[2 * host]!, away[2 * host + 1]!] as const,
      scale: [scale[2 * host]!, scale[2 * host + 1]!] as const
    }
  }

  /** By axis: how far hosts are off the middle, as their choices stand. */
  #spread(axis: 0 | 1): number {
    let squares = 0
    for (const host of this.#hosts) squares += this.#left[2 * host + axis]! ** 2
    return Math.sqrt(squares / this.#hosts.length)
  }

  #weight(axis: 0 | 1): number {
    const { dimension } = this.#shapes.axes[axis]
    return dimension < 0 ? 0 : this.#layout.weight[dimension]!
  }

  /** What the score would be, as the market stands, without clashes. */
  get value(): number {
    return this.#weight(0) * this.#spread(0) + this.#weight(1) * this.#spread(1)
  }

  /** By axis: what a square costs. */
  #costs(alike: boolean): readonly [number, number] {
    const weights = this.#weight(0) + this.#weight(1)
    const mean = this.value / weights
    const costOf = (axis: 0 | 1): number => {
      const spread = alike ? mean : Math.max(this.#spread(axis), deviationLeast * mean)
      return spread > 0 ? this.#weight(axis) / (2 * spread) : 0
    }
    return [costOf(0), costOf(1)]
  }

  #choose(host: number, cost: readonly [number, number]): void {
    const { count } = this.#shapes
    const column = this.#columns.subarray(host * count, (host + 1) * count)
    const fee = this.#movePrice / 2
    for (let shape = 0; shape < count; shape += 1) {
      const wanted = this.#wanted[shape]! - column[shape]!
      const price = this.#prices[shape]! + this.#pressure[shape]! * this.#movePrice * wanted
      this.#wanted[shape] = wanted
      this.#coming[shape] = fee + price
      this.#leaving[shape] = fee - price
    }
    const choice = this.#choice
    const priced = { coming: this.#coming, leaving: this.#leaving }
    choice.choose({ ...this.#asked(host), cost, ...priced })
    this.#moves += choice.leaves - this.#leaves[host]!
    this.#leaves[host] = choice.leaves
    this.#left.set(choice.left, 2 * host)
    column.set(choice.column)
    for (let shape = 0; shape < count; shape += 1) this.#wanted[shape]! += column[shape]!
  }

  #reprice(): void {
    const { movesMax } = this.#trade
    for (let shape = 0; shape < this.#shapes.count; shape += 1) {
      const now = this.#pressure[shape]! * this.#movePrice * this.#wanted[shape]!
      this.#prices[shape]! += memory * now
    }
    const beyond = (eagerness * (this.#moves - movesMax)) / Math.max(1, movesMax)
    const most = haste / (1 + this.#rounds / hasteRounds)
    this.#movePrice *= Math.exp(Math.max(-most, Math.min(most, beyond)))
  }

  /** Who chooses first has the choice, so it is another one each time. */
  #shuffle(): void {
    for (let at = this.#hosts.length - 1; at > 0; at -= 1) {
      const other = this.#lots.below(at + 1)
      const host = this.#hosts[at]!
      this.#hosts[at] = this.#hosts[other]!
      this.#hosts[other] = host
    }
  }
}
