/**
 * Steepest descent: of all moves of one demand that its rules allow, the one that lowers the score
 * most is made, again and again. Bounds leave most moves out before they are looked at. Of equal
 * moves the one of the first demand, to the first host, in the first way, so that the same input
 * gives the same moves.
 *
 * In a large layout a look at everything is worth more than one move: those with the best bounds
 * are kept in mind for the next few. When none of them gains any more, demands are asked one after
 * another for a move that gains enough, and what is enough falls until hardly anything is.
 */
import { Bounds, wayCount, ways } from './bounds.ts'
import type { Layout } from './layout.ts'
import type { Move } from './problem.ts'
import { ranked } from './ranked.ts'
import { bestFirst, bestSecond, scoreGrain, takesFirst, takesSecond } from './seating.ts'

/** When to stop. */
export type Until = {
  readonly movesMax: number
  /** At this score and below a move must gain `gainMin`. */
  readonly contentAt: number
  readonly gainMin: number
  /** Only demands with a seat on a closed host move. */
  readonly evacuate?: boolean
}

/** A move and the score once it is made. */
export type Step = Move & { readonly score: number }

type Best = {
  score: number
  demand: number
  host: number
  way: number
  first: number
  second: number
}

/** No move. */
const none: Best = { score: 0, demand: -1, host: -1, way: -1, first: -1, second: -1 }

/** Makes the moves on the layout and gives them in order. */
export function descend(layout: Layout, until: Until): readonly Step[] {
  const steps: Step[] = []
  const search = new Search(layout, until.evacuate ?? false)
  while (steps.length < until.movesMax) {
    const score = layout.score
    const best = search.best(score)
    if (best.demand < 0) break
    if (score <= until.contentAt && score - best.score < until.gainMin) return steps
    search.make(best)
    const { demand, first, second } = best
    steps.push({ demand, first, second, score: layout.score })
  }
  if (search.isCoarse) sweep(layout, search, until, steps)
  return steps
}

/** What is enough in the first sweep, as a share of the score, and in the last one. */
const gainMost = 0.01
const gainLeast = 1e-6
const gainFactor = 4

/** Asks all for a move that gains enough, again and again. */
function sweep(layout: Layout, search: Search, until: Until, steps: Step[]): void {
  const { score: start, hosts, demands } = layout
  const movesBetween = Math.max(4, Math.floor(hosts / 16))
  for (let share = gainMost; ; share = Math.max(gainLeast, share / gainFactor)) {
    let made = 0
    do {
      const before = steps.length
      let refreshed = -1
      for (let demand = 0; demand < demands && steps.length < until.movesMax; demand += 1) {
        if (refreshed < 0 || steps.length - refreshed >= movesBetween) {
          search.refresh()
          refreshed = steps.length
        }
        const { score } = layout
        const wanted = score <= until.contentAt ? until.gainMin : 0
        const enough = Math.max(wanted, share * start)
        const best = search.bestOf(demand, score - enough)
        if (best.demand < 0) continue
        search.make(best)
        steps.push({ demand, first: best.first, second: best.second, score: layout.score })
      }
      made = steps.length - before
    } while (made > hosts / 20)
    if (share === gainLeast || steps.length >= until.movesMax) return
    // From here on less is never enough: who was asked in vain would be so again.
    if (made === 0 && layout.score <= until.contentAt && share * start <= until.gainMin) return
  }
}

/** In a large layout this many hosts make one move more between looks at everything. */
const hostsPerMove = 48
/** The same where pairs keep a reserve: a look takes longer. */
const hostsPerMovePaired = 25
/** The most moves that are kept in mind between looks at everything. */
const shortMax = 256
/** The most hosts that are then looked at for each sort of demand. */
const cheapMost = 24
/** The same where pairs keep a reserve: what it costs is not in the order. */
const cheapMostPaired = 256

class Search {
  readonly #layout: Layout
  readonly #bounds: Bounds
  readonly #lowest: Float64Array
  readonly #evacuate: boolean
  /** Numbers of moves: demand and way. */
  readonly #all: Int32Array
  readonly #shortlist: Int32Array
  readonly #ranked: Float64Array
  /** By likeness: the round in which one was bounded. */
  readonly #seen: Int32Array
  #round = 0
  /** In a large layout bounds are worked out anew only after so many moves. */
  readonly #period: number
  #age = 0
  #short: Int32Array = new Int32Array(0)
  #scoreThen = 0
  #shift = 0
  /** How many hosts are to be looked at. */
  #listed = 0
  #best: Best = none

  constructor(layout: Layout, evacuate: boolean) {
    this.#layout = layout
    const isPaired = layout.problem.reserve !== undefined
    const hostsEach = isPaired ? hostsPerMovePaired : hostsPerMove
    this.#period = Math.max(1, Math.floor(layout.hosts / hostsEach))
    const most = isPaired ? cheapMostPaired : cheapMost
    this.#bounds = new Bounds(layout, this.isCoarse ? most : layout.hosts)
    this.#ranked = new Float64Array(layout.demands * wayCount)
    this.#seen = new Int32Array(this.#bounds.likenesses)
    this.#lowest = new Float64Array(layout.demands * wayCount)
    this.#evacuate = evacuate
    this.#all = new Int32Array(layout.demands * wayCount)
    this.#shortlist = new Int32Array(shortMax)
  }

  /** The best move; without one that is better than the score as it is its demand is -1. */
  best(score: number): Best {
    this.#best = { ...none, score }
    if (this.#age > 0) {
      this.#shift = score - this.#scoreThen
      this.#lookAt(this.#short)
      this.#age = (this.#age + 1) % this.#period
      if (this.#best.demand >= 0) return this.#best
    }
    this.refresh()
    this.#scoreThen = score
    this.#short = this.#promising(score)
    this.#lookAt(this.#short)
    this.#age = 1 % this.#period
    return this.#best
  }

  /** Whether not every move is looked at each time. */
  get isCoarse(): boolean {
    return this.#period > 1
  }

  /** Takes all bounds anew. */
  refresh(): void {
    this.#layout.recount()
    this.#bounds.refresh()
    this.#shift = 0
    this.#age = 1 % this.#period
  }

  /** The best move of one demand that comes below a score; without one its demand is -1. */
  bestOf(demand: number, below: number): Best {
    const at = demand * wayCount
    if (!this.#moves(demand)) return none
    if (this.#layout.second[demand]! < 0) {
      this.#lowest[at + ways.first] = this.#bounds.single(demand)
      if (this.#lowest[at + ways.first]! >= below - scoreGrain) return none
      this.#best = { ...none, score: below }
      this.#look(demand, ways.first)
      return this.#best
    }
    this.#best = { ...none, score: below }
    this.#bounds.write(demand, this.#lowest, at)
    for (let way = 0; way < wayCount; way += 1) {
      if (this.#lowest[at + way]! < this.#best.score - scoreGrain) this.#look(demand, way)
    }
    return this.#best
  }

  /** Makes the best move. */
  make({ demand, first, second }: Best): void {
    const layout = this.#layout
    const touched = [layout.first[demand]!, layout.second[demand]!, first, second]
    layout.place(demand, first, second)
    if (this.#age === 0) return
    this.#lowest.fill(Infinity, demand * wayCount, (demand + 1) * wayCount)
    for (const host of touched) if (host >= 0) this.#bounds.renew(host)
  }

  /** Bounds all moves and gives those that could be of use, the one with the lowest bound first. */
  #promising(score: number): Int32Array {
    const { demands, second } = this.#layout
    const lowest = this.#lowest
    let count = 0
    let at = 0
    this.#round += 1
    for (let demand = 0; demand < demands; demand += 1) {
      if (!this.#moves(demand)) continue
      const likeness = this.#bounds.likeness(demand)
      if (likeness >= 0) {
        if (this.#seen[likeness] === this.#round) continue
        this.#seen[likeness] = this.#round
      }
      const isSingle = second[demand]! < 0
      if (isSingle) lowest[demand * wayCount + ways.first] = this.#bounds.single(demand)
      else this.#bounds.write(demand, lowest, demand * wayCount)
      const until = isSingle ? ways.first + 1 : wayCount
      for (let way = isSingle ? ways.first : 0; way < until; way += 1) {
        const index = demand * wayCount + way
        if (lowest[index]! >= score - scoreGrain) continue
        this.#all[count] = index
        if (lowest[index]! < lowest[this.#all[at]!]!) at = count
        count += 1
      }
    }
    const found = this.#all.subarray(0, count)
    if (count === 0) return found
    if (this.isCoarse) return this.#shorten(found)
    ;[found[0], found[at]] = [found[at]!, found[0]!]
    return found
  }

  /** Those with the lowest bounds, in order. */
  #shorten(found: Int32Array): Int32Array {
    const lowest = this.#lowest
    const bounds = this.#ranked.subarray(0, found.length)
    for (let index = 0; index < bounds.length; index += 1) bounds[index] = lowest[found[index]!]!
    const edge = ranked(bounds, Math.min(shortMax, bounds.length) - 1)
    let count = 0
    for (let index = 0; index < found.length && count < shortMax; index += 1) {
      if (lowest[found[index]!]! > edge) continue
      this.#shortlist[count] = found[index]!
      count += 1
    }
    return this.#shortlist.subarray(0, count).sort((a, b) => lowest[a]! - lowest[b]! || a - b)
  }

  #lookAt(moves: Int32Array): void {
    const lowest = this.#lowest
    for (let index = 0; index < moves.length; index += 1) {
      const at = moves[index]!
      if (lowest[at]! + this.#shift >= this.#best.score + scoreGrain) continue
      this.#look(Math.floor(at / wayCount), at % wayCount)
    }
  }

  #moves(demand: number): boolean {
    const { problem, first, second, open } = this.#layout
    if (problem.fixed[demand] || first[demand]! < 0) return false
    if (!this.#evacuate) return true
    return open[first[demand]!] === 0 || (second[demand]! >= 0 && open[second[demand]!] === 0)
  }

  #look(demand: number, way: number): void {
    const layout = this.#layout
    const bound = this.#lowest[demand * wayCount + way]! + this.#shift
    const below = this.#belowFor(demand)
    if (way !== ways.swap) {
      this.#listed = this.#bounds.within(demand, way, bound, below)
      if (this.#listed === 0) return
    }
    const [first, second] = [layout.first[demand]!, layout.second[demand]!]
    switch (way) {
      case ways.swap:
        this.#lookSwap(demand, first, second)
        break
      case ways.second:
        layout.place(demand, first, -1)
        this.#lookSecond({ demand, way, except: second, forced: layout.open[second] === 0 })
        break
      case ways.follow:
        layout.place(demand, -1, first)
        this.#lookFirst({ demand, way, except: second, forced: layout.open[first] === 0 })
        break
      case ways.first:
        this.#lookAway(demand, first, second)
        break
      case ways.lead:
        this.#lookLead(demand, first, second)
        break
    }
    layout.place(demand, first, second)
  }

  /** A pair runs on its second seat until the new first one is ready. */
  #lookAway(demand: number, first: number, second: number): void {
    const layout = this.#layout
    const forced = layout.open[first] === 0
    layout.place(demand, -1, -1)
    if (second >= 0 && !takesFirst(layout, demand, second, forced)) return
    layout.place(demand, -1, second)
    this.#lookFirst({ demand, way: ways.first, except: first, forced })
  }

  #lookLead(demand: number, first: number, second: number): void {
    const layout = this.#layout
    if (layout.open[second] === 0) return
    layout.place(demand, -1, -1)
    if (!takesFirst(layout, demand, second, layout.open[first] === 0)) return
    layout.place(demand, second, -1)
    this.#lookSecond({ demand, way: ways.lead, except: first, forced: false })
  }

  #lookSwap(demand: number, first: number, second: number): void {
    const layout = this.#layout
    const forced = layout.open[first] === 0
    if (layout.open[second] === 0) return
    layout.place(demand, -1, -1)
    if (!takesFirst(layout, demand, second, forced)) return
    layout.place(demand, second, -1)
    if (!takesSecond(layout, demand, { host: first, first: second, forced })) return
    layout.place(demand, second, first)
    const { score } = layout
    this.#offer({ score, demand, host: -1, way: ways.swap, first: second, second: first })
  }

  #lookFirst(look: Asked): void {
    const layout = this.#layout
    const { demand, way, except, forced } = look
    const below = this.#belowFor(demand)
    const { host, score } = bestFirst(layout, demand, {
      hosts: this.#bounds.list,
      count: this.#listed,
      except,
      below,
      forced
    })
    const second = layout.second[demand]!
    if (host >= 0) this.#offer({ score, demand, host, way, first: host, second })
  }

  #lookSecond(look: Asked): void {
    const layout = this.#layout
    const { demand, way, except, forced } = look
    const below = this.#belowFor(demand)
    const { host, score } = bestSecond(layout, demand, {
      hosts: this.#bounds.list,
      count: this.#listed,
      except,
      below,
      forced
    })
    const first = layout.first[demand]!
    if (host >= 0) this.#offer({ score, demand, host, way, first, second: host })
  }

  /** An earlier demand may offer as much as the best has. */
  #belowFor(demand: number): number {
    const { score, demand: best } = this.#best
    return best >= 0 && demand <= best ? score + 2 * scoreGrain : score
  }

  #offer(move: Best): void {
    const best = this.#best
    const isLower = move.score < best.score - scoreGrain
    const isEqual = best.demand >= 0 && move.score < best.score + scoreGrain
    if (isLower || (isEqual && comesFirst(move, best))) this.#best = move
  }
}

type Asked = {
  readonly demand: number
  readonly way: number
  readonly except: number
  readonly forced: boolean
}

const comesFirst = (a: Best, b: Best): boolean =>
  (a.demand - b.demand || a.host - b.host || a.way - b.way) < 0
