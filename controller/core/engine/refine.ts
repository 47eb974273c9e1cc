/**
 * Goes on where single moves get stuck: who moves at all, and where to, is first made out by a
 * market (`market.ts`), where there are few shapes, and then looked for by simulated annealing.
 * Only demands with one seat move.
 *
 * Afterwards the moves are put in an order in which each is allowed, of those that are allowed now
 * the one that gains most first, as far as is known. Who is in a circle steps aside to a third
 * host, once; those that are still not allowed then are left out.
 */
import { Annealing, type Effort, type Heat } from './annealing.ts'
import { exchange } from './exchange.ts'
import type { Layout } from './layout.ts'
import type { Move } from './problem.ts'
import { scoreGrain, takesFirst } from './seating.ts'

export type { Effort }

/** How warm the search is: on its own, and where a market has been before it. */
const alone: Heat = { warmest: 0.11, coldest: 0.0025 }
const afterwards: Heat = { warmest: 0.01, coldest: 0.0025 }
/** A market that has lowered the score to such a share has found what a warm search would lose. */
const coolBelow = 0.7
/** Steps of the market's innermost loop for each change that is tried: a third of its time. */
const marketShare = 100

/** A move and the score once it is made. */
type Step = Move & { readonly score: number }

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
  exchange(layout, from, { ...effort, work: marketShare * effort.trials })
  const heat = layout.score < coolBelow * score ? afterwards : alone
  const search = new Annealing(layout, from, { ...effort, heat })
  search.run()
  const { movers } = search
  const to = Int32Array.from(layout.first)
  for (const demand of movers) layout.place(demand, from[demand]!, -1)
  layout.recount()
  const steps = inOrder(layout, [...movers], to)
  if (layout.score < score - scoreGrain) return steps
  for (const [demand, first] of before.entries()) {
    if (layout.first[demand] !== first) layout.place(demand, first, -1)
  }
  layout.recount()
  return undefined
}

/** Makes the moves on the layout, each as soon as it is allowed, the best one first. */
function inOrder(layout: Layout, demands: readonly number[], to: Int32Array): readonly Step[] {
  const steps: Step[] = []
  const left = new Waiting(layout, demands, to)
  const stepped = new Set<number>()
  const make = (demand: number, host: number): void => {
    const home = layout.first[demand]!
    layout.place(demand, host, -1)
    steps.push({ demand, first: host, second: -1, score: layout.score })
    left.follow(home, host)
  }
  while (left.demands.size > 0) {
    const next = left.best()
    if (next >= 0) {
      left.demands.delete(next)
      make(next, to[next]!)
      continue
    }
    const aside = stepAside(layout, left.demands, stepped)
    if (!aside) break
    stepped.add(aside.demand)
    make(aside.demand, aside.host)
  }
  return steps
}

/** How many moves are made before all of those that are left are looked at anew. */
const stepsBetween = 64

/**
 * Moves that wait, and what each would gain. A move changes what others gain where it began and
 * ended, and hardly anywhere else; so only those are looked at after each, and all now and then.
 */
class Waiting {
  readonly demands: Set<number>
  readonly #layout: Layout
  readonly #to: Int32Array
  /** By demand: what it adds to the score; infinity while it is not allowed. */
  readonly #rise: Float64Array
  #steps = 0

  constructor(layout: Layout, demands: readonly number[], to: Int32Array) {
    this.#layout = layout
    this.#to = to
    this.#rise = new Float64Array(layout.demands)
    this.demands = new Set(demands)
  }

  /** The one that gains most; -1: none is allowed. */
  best(): number {
    if (this.#steps % stepsBetween === 0) this.#lookAtAll()
    this.#steps += 1
    const found = this.#least()
    if (found >= 0) return found
    this.#lookAtAll()
    return this.#least()
  }

  /** Looks anew at those to whom one of these hosts matters. */
  follow(one: number, other: number): void {
    const { first } = this.#layout
    for (const demand of this.demands) {
      const [from, to] = [first[demand]!, this.#to[demand]!]
      if (from === one || from === other || to === one || to === other) this.#look(demand)
    }
  }

  #lookAtAll(): void {
    for (const demand of this.demands) this.#look(demand)
  }

  #look(demand: number): void {
    const layout = this.#layout
    const [host, to] = [layout.first[demand]!, this.#to[demand]!]
    this.#rise[demand] = Infinity
    if (host !== to && !takesFirst(layout, demand, to, false)) return
    const { score } = layout
    layout.place(demand, to, -1)
    this.#rise[demand] = layout.score - score
    layout.place(demand, host, -1)
  }

  #least(): number {
    let [best, least] = [-1, Infinity]
    for (const demand of this.demands) {
      if (this.#rise[demand]! >= least - 1e-12) continue
      if (!this.#isAllowed(demand)) continue
      best = demand
      least = this.#rise[demand]!
    }
    return best
  }

  /** Racks may forbid what no host on the way does. */
  #isAllowed(demand: number): boolean {
    const to = this.#to[demand]!
    return this.#layout.first[demand] === to || takesFirst(this.#layout, demand, to, false)
  }
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
