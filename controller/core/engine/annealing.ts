/**
 * Simulated annealing over who moves, and where to. A plan says of each demand where it ends, and a
 * demand that moves at all costs one move wherever it goes; so among those that move, other ends,
 * exchanges and substitutes are free. They are tried by lot, and one that raises the score is kept
 * with a chance that falls with the rise and with time.
 *
 * Most trials fail, so each is first judged by what the dimensions alone make of it, which takes
 * neither a change of the layout nor a look at any rule; only what is good enough so far is
 * made, judged exactly, and taken back if it is not good enough after all. Every trial is one path:
 * a demand goes from one host to a second one, and another from there to a third, which
 * may be the first; or a demand goes alone.
 */
import { deviation, type Layout } from './layout.ts'
import { Lots } from './lots.ts'
import { scoreGrain, takesFirst } from './seating.ts'

/** How far a search goes. */
export type Effort = {
  /** The most demands that may move. */
  readonly movesMax: number
  /** How many changes are tried. */
  readonly trials: number
  readonly seed: number
}

/**
 * How much a score may rise to be kept about one time in three, first and last: shares of the best
 * score, over the root of the number of hosts, since one move changes less where there are more.
 */
export type Heat = { readonly warmest: number; readonly coldest: number }

/** Trials between one temperature and the next. */
const blockTrials = 4096
/** Chances as what they allow: -log of a share, of so many shares. */
const patience = Float64Array.from({ length: 4096 }, (_, at) => -Math.log((at + 0.5) / 4096))

/** Where one goes, and the other one from there; -1: nobody. */
type Path = {
  readonly here: number
  readonly middle: number
  readonly other: number
  readonly to: number
}

/** A search that works on a layout in place. */
export class Annealing {
  readonly #layout: Layout
  readonly #from: Int32Array
  readonly #effort: Effort
  readonly #range: Heat
  readonly #hosts: Int32Array
  /** Those that may move, by the host they come from: `#starts` says where each host's begin. */
  readonly #free: Int32Array
  readonly #starts: Int32Array
  /** Those that end elsewhere, as many as `#count` says, and by demand its place there, or -1. */
  readonly #movers: Int32Array
  #count = 0
  readonly #at: Int32Array
  readonly #best: Int32Array
  #bestScore: number
  #score: number
  /** Of the score, what is not the dimensions'. */
  #rest = 0
  #heat = 0
  readonly #lots: Lots

  constructor(layout: Layout, from: ArrayLike<number>, given: Effort & { readonly heat: Heat }) {
    const { heat, ...effort } = given
    this.#layout = layout
    this.#from = Int32Array.from(from)
    this.#effort = effort
    this.#range = heat
    this.#hosts = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
    this.#free = Int32Array.from(layout.first.keys()).filter(
      each => !layout.problem.fixed[each] && layout.first[each]! >= 0 && layout.second[each]! < 0
    )
    this.#starts = new Int32Array(layout.hosts + 1)
    this.#sortByHome()
    this.#movers = new Int32Array(this.#free.length)
    this.#at = new Int32Array(layout.demands).fill(-1)
    for (const demand of this.#free) this.#note(demand)
    this.#best = Int32Array.from(layout.first)
    this.#score = layout.score
    this.#bestScore = this.#score
    this.#lots = new Lots(effort.seed)
  }

  /** Makes all trials, and ends with the best layout that was seen. */
  run(): void {
    const { trials } = this.#effort
    const { warmest, coldest } = this.#range
    if (this.#free.length === 0 || this.#hosts.length === 0) return
    for (let done = 0; done < trials; done += blockTrials) {
      this.#layout.recount()
      this.#accept(this.#layout.score)
      const warmth = (this.#bestScore * warmest) / Math.sqrt(this.#hosts.length)
      this.#heat = warmth * (coldest / warmest) ** (done / trials)
      const until = Math.min(blockTrials, trials - done)
      for (let trial = 0; trial < until; trial += 1) this.#try()
    }
    this.#settle()
  }

  /** Those that end elsewhere than they came from, in order. */
  get movers(): Int32Array {
    return this.#movers.slice(0, this.#count).sort()
  }

  #settle(): void {
    for (const demand of this.#free) {
      if (this.#layout.first[demand] === this.#best[demand]) continue
      this.#layout.place(demand, this.#best[demand]!, -1)
      this.#note(demand)
    }
    this.#layout.recount()
  }

  #sortByHome(): void {
    const [free, starts, from] = [this.#free, this.#starts, this.#from]
    free.sort((a, b) => from[a]! - from[b]! || a - b)
    for (const demand of free) starts[from[demand]! + 1]! += 1
    for (let host = 1; host < starts.length; host += 1) starts[host]! += starts[host - 1]!
  }

  #try(): void {
    const kind = this.#lots.below(16)
    if (kind === 0 || this.#count === 0) {
      this.#goAlone(this.#free[this.#lots.below(this.#free.length)]!, this.#someHost())
      return
    }
    const one = this.#movers[this.#lots.below(this.#count)]!
    if (kind < 5) this.#goAlone(one, this.#someHost())
    else if (kind < 9) this.#exchange(one, this.#movers[this.#lots.below(this.#count)]!)
    else if (kind < 12) this.#substitute(one, this.#neighbour(one), this.#layout.first[one]!)
    else if (kind < 13) this.#substitute(one, this.#neighbour(one), this.#someHost())
    else {
      const other = this.#free[this.#lots.below(this.#free.length)]!
      this.#substitute(one, other, this.#layout.first[one]!)
    }
  }

  #someHost(): number {
    return this.#hosts[this.#lots.below(this.#hosts.length)]!
  }

  /** Some demand that comes from the same host. */
  #neighbour(demand: number): number {
    const home = this.#from[demand]!
    const start = this.#starts[home]!
    return this.#free[start + this.#lots.below(this.#starts[home + 1]! - start)]!
  }

  #goAlone(demand: number, to: number): void {
    const layout = this.#layout
    const here = layout.first[demand]!
    if (here === to || !this.#mayMove(demand)) return
    const allowed = this.#score + this.#heat * patience[this.#lots.below(patience.length)]!
    if (this.#estimate(demand, { here, middle: -1, other: -1, to }) > allowed) return
    if (!takesFirst(layout, demand, to, false)) return
    layout.place(demand, to, -1)
    if (this.#keeps(allowed)) this.#note(demand)
    else layout.place(demand, here, -1)
  }

  /** Two that move end each where the other one did. */
  #exchange(one: number, other: number): void {
    const { first } = this.#layout
    const [here, there] = [first[one]!, first[other]!]
    if (here !== there) this.#follow(one, { here, middle: there, other, to: here })
  }

  /** One that moves stays at home, and another one goes instead. */
  #substitute(one: number, other: number, to: number): void {
    const { first } = this.#layout
    const [end, home, start] = [first[one]!, this.#from[one]!, first[other]!]
    if (other === one || this.#at[other]! >= 0 || start === to) return
    if (start === home) this.#follow(one, { here: end, middle: home, other, to })
    else this.#follow(other, { here: start, middle: end, other: one, to: home })
  }

  /** Whether one more may move. */
  #mayMove(demand: number): boolean {
    return this.#at[demand]! >= 0 || this.#count < this.#effort.movesMax
  }

  /** One takes the other one's place, which goes on. */
  #follow(one: number, path: Path): void {
    const layout = this.#layout
    const { here, middle, other, to } = path
    if (layout.open[middle] === 0 || layout.open[to] === 0) return
    if (here === to && this.#isAlike(one, other)) return
    const allowed = this.#score + this.#heat * patience[this.#lots.below(patience.length)]!
    if (this.#estimate(one, path) > allowed) return
    layout.place(one, -1, -1)
    layout.place(other, -1, -1)
    if (takesFirst(layout, one, middle, false)) {
      layout.place(one, middle, -1)
      if (takesFirst(layout, other, to, false)) {
        layout.place(other, to, -1)
        if (this.#keeps(allowed)) {
          this.#note(one)
          this.#note(other)
          return
        }
      }
    }
    layout.place(one, here, -1)
    layout.place(other, middle, -1)
  }

  /** Whether two take the same, so that an exchange changes nothing. */
  #isAlike(one: number, other: number): boolean {
    const { dimensions, amount } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      if (amount[one * dimensions + d] !== amount[other * dimensions + d]) return false
    }
    return true
  }

  /** What the score becomes if groups and reserves stay as they are. */
  #estimate(one: number, { here, middle, other, to }: Path): number {
    const layout = this.#layout
    const { dimensions, amount, scale, value, weight, sum, square } = layout
    const share = 1 / layout.openHosts
    const isExchange = here === to
    let score = this.#rest
    for (let d = 0; d < dimensions; d += 1) {
      const goes = amount[one * dimensions + d]!
      const follows = other < 0 ? goes : amount[other * dimensions + d]!
      const at = here * dimensions + d
      let rise = (isExchange ? follows - goes : -goes) * scale[at]!
      let squares = rise * (2 * value[at]! + rise)
      if (middle >= 0) {
        const cell = middle * dimensions + d
        const change = (goes - follows) * scale[cell]!
        rise += change
        squares += change * (2 * value[cell]! + change)
      }
      if (!isExchange) {
        const cell = to * dimensions + d
        const change = follows * scale[cell]!
        rise += change
        squares += change * (2 * value[cell]! + change)
      }
      const mean = (sum[d]! + rise) * share
      const variance = (square[d]! + squares) * share - mean * mean
      if (variance > 0) score += weight[d]! * Math.sqrt(variance)
    }
    return score
  }

  /** Whether the layout's score is low enough; notes it then. */
  #keeps(allowed: number): boolean {
    const { score } = this.#layout
    if (score > allowed) return false
    this.#accept(score)
    if (score >= this.#bestScore - scoreGrain) return true
    this.#bestScore = score
    this.#best.set(this.#layout.first)
    return true
  }

  #accept(score: number): void {
    const { dimensions, weight, sum, square, openHosts } = this.#layout
    this.#score = score
    this.#rest = score
    for (let d = 0; d < dimensions; d += 1) {
      this.#rest -= weight[d]! * deviation(sum[d]!, square[d]!, openHosts)
    }
  }

  #note(demand: number): void {
    const moves = this.#layout.first[demand] !== this.#from[demand]
    const at = this.#at[demand]!
    if (moves && at < 0) {
      this.#at[demand] = this.#count
      this.#movers[this.#count] = demand
      this.#count += 1
    } else if (!moves && at >= 0) {
      this.#count -= 1
      const last = this.#movers[this.#count]!
      this.#at[demand] = -1
      if (last === demand) return
      this.#movers[at] = last
      this.#at[last] = at
    }
  }
}
