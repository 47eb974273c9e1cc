/**
 * Goes on where single moves get stuck. A plan says of each demand where it ends, and a demand that
 * moves at all costs one move wherever it goes; so among those that move, other ends, exchanges and
 * substitutes are free. They are tried by lot, and one that raises the score a little is kept with
 * a chance that falls to nothing (simulated annealing); the lots are the same for the same seed.
 * Only demands with one seat move.
 *
 * Afterwards the moves are put in an order in which each is allowed, of those that are allowed now
 * the one that gains most first; who is in a circle steps aside to a third host,
 * once; those that are still not allowed then are left out.
 */
import type { Layout } from './layout.ts'
import type { Move } from './problem.ts'
import { scoreGrain, takesFirst } from './seating.ts'

/** How far it goes. */
export type Effort = {
  /** The most demands that may move. */
  readonly movesMax: number
  /** How many changes are tried. */
  readonly trials: number
  readonly seed: number
}

/** A move and the score once it is made. */
type Step = Move & { readonly score: number }

/** How much of the best score a rise may be to be kept about one time in three: first, and last. */
const warmest = 0.03
const coldest = 3e-4
/** In a layout of more hosts than this it is less. */
const hostsUsual = 100

/**
 * Refines a layout that was reached from these first seats, and gives all moves from there in
 * order; the layout ends where they lead. Undefined: those that can be put in order lead to nothing
 * better than what was there, so that stays, and with it the moves that led there.
 */
export function refine(
  layout: Layout,
  from: ArrayLike<number>,
  effort: Effort
): readonly Step[] | undefined {
  const { score } = layout
  const before = Int32Array.from(layout.first)
  const search = new Annealing(layout, from, effort)
  for (let trial = 0; trial < effort.trials; trial += 1) search.try(trial / effort.trials)
  search.settle()
  const to = Int32Array.from(layout.first)
  for (const demand of search.movers) layout.place(demand, from[demand]!, -1)
  layout.recount()
  const steps = inOrder(
    layout,
    search.movers.toSorted((a, b) => a - b),
    to
  )
  if (layout.score < score - scoreGrain) return steps
  for (const [demand, first] of before.entries()) {
    if (layout.first[demand] !== first) layout.place(demand, first, -1)
  }
  layout.recount()
  return undefined
}

class Annealing {
  readonly #layout: Layout
  readonly #from: ArrayLike<number>
  readonly #movesMax: number
  readonly #hosts: readonly number[]
  /** Those that end elsewhere, and by demand its place among them, or -1. */
  readonly movers: number[] = []
  readonly #at: Int32Array
  readonly #best: Int32Array
  #bestScore: number
  #score: number
  #heat: number
  /** One move changes the less the more hosts there are. */
  readonly #share: number
  #state: number

  constructor(layout: Layout, from: ArrayLike<number>, { movesMax, seed }: Effort) {
    this.#layout = layout
    this.#from = from
    this.#movesMax = movesMax
    this.#hosts = Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
    this.#at = new Int32Array(layout.demands).fill(-1)
    for (let demand = 0; demand < layout.demands; demand += 1) this.#note(demand)
    this.#best = Int32Array.from(layout.first)
    this.#score = layout.score
    this.#bestScore = this.#score
    this.#share = Math.min(1, hostsUsual / this.#hosts.length)
    this.#heat = this.#score * warmest * this.#share
    this.#state = (seed % 2147483646) + 1
  }

  /** Tries one change; `progress` goes from 0 to 1. */
  try(progress: number): void {
    if (this.#lot(1024) === 0) this.#cool(progress)
    const kind = this.#lot(10)
    if (kind < 2) this.#tryOther()
    else if (kind < 4) this.#tryExchange()
    else if (kind < 6) this.#trySubstitute('same')
    else if (kind < 7) this.#trySubstitute('other end')
    else if (kind < 9) this.#trySubstitute('other home')
    else this.#tryMore()
  }

  /** Ends with the best that was seen. */
  settle(): void {
    for (let demand = 0; demand < this.#layout.demands; demand += 1) {
      if (this.#layout.first[demand] === this.#best[demand]) continue
      this.#layout.place(demand, this.#best[demand]!, -1)
      this.#note(demand)
    }
    this.#layout.recount()
  }

  #cool(progress: number): void {
    this.#layout.recount()
    this.#score = this.#layout.score
    this.#heat = this.#bestScore * warmest * this.#share * (coldest / warmest) ** progress
  }

  /** Another end for one that moves. */
  #tryOther(): void {
    if (this.movers.length === 0) return
    const demand = this.movers[this.#lot(this.movers.length)]!
    const host = this.#hosts[this.#lot(this.#hosts.length)]!
    if (this.#go(demand, host)) this.#judge([demand])
  }

  /** Two that move end each where the other one did. */
  #tryExchange(): void {
    if (this.movers.length < 2) return
    const { first } = this.#layout
    const one = this.movers[this.#lot(this.movers.length)]!
    const other = this.movers[this.#lot(this.movers.length)]!
    const [here, there] = [first[one]!, first[other]!]
    if (here === there) return
    this.#layout.place(one, -1, -1)
    const went = this.#go(other, here)
    const came = went && this.#enter(one, there)
    if (came) {
      this.#judge([one, other], [here, there])
      return
    }
    if (went) this.#layout.place(other, there, -1)
    this.#layout.place(one, here, -1)
  }

  /** One that moves stays at home, and another one goes in its place, or from its home. */
  #trySubstitute(kind: 'same' | 'other end' | 'other home'): void {
    if (this.movers.length === 0) return
    const { first } = this.#layout
    const one = this.movers[this.#lot(this.movers.length)]!
    const [home, end] = [this.#from[one]!, first[one]!]
    const other = kind === 'other home' ? this.#lot(this.#layout.demands) : this.#residentOf(home)
    const to = kind === 'other end' ? this.#hosts[this.#lot(this.#hosts.length)]! : end
    if (other < 0 || other === one || this.#at[other]! >= 0 || !this.#isFree(other)) return
    const start = first[other]!
    if (start === to) return
    this.#layout.place(other, -1, -1)
    const back = this.#go(one, home)
    const gone = back && this.#enter(other, to)
    if (gone) {
      this.#judge([one, other], [end, start])
      return
    }
    if (back) this.#layout.place(one, end, -1)
    this.#layout.place(other, start, -1)
  }

  #residentOf(host: number): number {
    const { heads, next } = this.#layout.residents
    const steps = this.#lot(16)
    let resident = heads[host]!
    for (let step = 0; step < steps && resident >= 0; step += 1) resident = next[resident]!
    return resident
  }

  /** One more moves, while there may be more. */
  #tryMore(): void {
    const demand = this.#lot(this.#layout.demands)
    if (!this.#isFree(demand)) return
    if (this.#go(demand, this.#hosts[this.#lot(this.#hosts.length)]!)) this.#judge([demand])
  }

  #isFree(demand: number): boolean {
    const { problem, first, second } = this.#layout
    return !problem.fixed[demand] && first[demand]! >= 0 && second[demand]! < 0
  }

  #before = -1

  /** Takes a demand to a host if that may take it. */
  #go(demand: number, host: number): boolean {
    const layout = this.#layout
    const before = layout.first[demand]!
    if (before === host || !takesFirst(layout, demand, host, false)) return false
    this.#before = before
    layout.place(demand, host, -1)
    return true
  }

  #enter(demand: number, host: number): boolean {
    if (!takesFirst(this.#layout, demand, host, false)) return false
    this.#layout.place(demand, host, -1)
    return true
  }

  /** Keeps the change, or takes it back. */
  #judge(demands: readonly number[], before: readonly number[] = [this.#before]): void {
    const score = this.#layout.score
    for (const demand of demands) this.#note(demand)
    const rise = score - this.#score
    const isKept = rise <= 0 || this.#lot(1 << 20) / (1 << 20) < Math.exp(-rise / this.#heat)
    if (isKept && this.movers.length <= this.#movesMax) {
      this.#score = score
      if (score >= this.#bestScore - scoreGrain) return
      this.#bestScore = score
      this.#best.set(this.#layout.first)
      return
    }
    for (const [index, demand] of demands.entries()) {
      this.#layout.place(demand, before[index]!, -1)
      this.#note(demand)
    }
  }

  #note(demand: number): void {
    const moves = this.#layout.first[demand] !== this.#from[demand]
    const at = this.#at[demand]!
    if (moves && at < 0) {
      this.#at[demand] = this.movers.length
      this.movers.push(demand)
    } else if (!moves && at >= 0) {
      const last = this.movers.pop()!
      this.#at[demand] = -1
      if (last === demand) return
      this.movers[at] = last
      this.#at[last] = at
    }
  }

  #lot(count: number): number {
    this.#state = (this.#state * 48271) % 2147483647
    return Math.floor((this.#state / 2147483647) * count)
  }
}

/** Makes the moves on the layout, each as soon as it is allowed, the best one first. */
function inOrder(layout: Layout, demands: readonly number[], to: Int32Array): readonly Step[] {
  const steps: Step[] = []
  const left = new Set(demands)
  const stepped = new Set<number>()
  const make = (demand: number, host: number): void => {
    layout.place(demand, host, -1)
    steps.push({ demand, first: host, second: -1, score: layout.score })
  }
  while (left.size > 0) {
    const next = bestOf(layout, left, to)
    if (next >= 0) {
      make(next, to[next]!)
      left.delete(next)
      continue
    }
    const aside = stepAside(layout, left, stepped)
    if (!aside) break
    stepped.add(aside.demand)
    make(aside.demand, aside.host)
  }
  return steps
}

function bestOf(layout: Layout, left: ReadonlySet<number>, to: Int32Array): number {
  let [best, bestScore] = [-1, Infinity]
  for (const demand of left) {
    const host = layout.first[demand]!
    if (!takesFirst(layout, demand, to[demand]!, false)) continue
    layout.place(demand, to[demand]!, -1)
    if (layout.score < bestScore - 1e-12) [best, bestScore] = [demand, layout.score]
    layout.place(demand, host, -1)
  }
  return best
}

/** Some demand that waits and a third host that takes it meanwhile. */
function stepAside(layout: Layout, left: ReadonlySet<number>, stepped: ReadonlySet<number>) {
  for (const demand of left) {
    if (stepped.has(demand)) continue
    for (let host = 0; host < layout.hosts; host += 1) {
      if (layout.open[host] === 0 || host === layout.first[demand]) continue
      if (takesFirst(layout, demand, host, false)) return { demand, host }
    }
  }
  return undefined
}
