/**
 * Makes of what hosts would send and take (`market.ts`) seats that are allowed. Who clashes where
 * it sits, or sits on a closed host, leaves first of all. Of a shape any one will do, so those
 * leave that are in no group, and each goes where it causes no clash. Few find no place so, or were
 * one too many: those go where they fit best, mostly back home.
 */
import type { Layout } from './layout.ts'
import { Market, type Trade } from './market.ts'
import { bestFirst, scoreGrain, takesFirst } from './seating.ts'
import { movableOf, type Shapes, shapesOf } from './shapes.ts'

/** Rounds of the market: what the first ones come to is of no use, and later ones gain nothing. */
const roundsMin = 4
const roundsMax = 60

/** With more than so many times the moves that may be, what a round came to is of no use. */
const beyondMost = 2

/**
 * Seats demands anew, who came from these first seats, as a market has it. `work`: how many steps
 * of the innermost loop it may take. Gives whether the score is lower now; else all is as it was.
 */
export function exchange(
  layout: Layout,
  from: ArrayLike<number>,
  { work, ...limits }: Omit<Trade, 'offered'> & { readonly work: number }
): boolean {
  layout.recount()
  const movable = movableOf(layout)
  if (layout.score <= scoreGrain || movable.length === 0) return false
  const before = Int32Array.from(layout.first)
  const { score } = layout
  const take = (seats: ArrayLike<number>): void => {
    for (const demand of movable) layout.place(demand, seats[demand]!, -1)
    layout.recount()
  }
  take(from)
  const shapes = shapesOf(layout, movable)
  const movesMax = Math.min(limits.movesMax, movable.length)
  const trade = { seed: limits.seed, movesMax, below: score - scoreGrain }
  const found = shapes && bestOf(layout, { ...trade, shapes, from, movable, work })
  take(found ?? before)
  return found !== undefined
}

/** The best seats of all rounds, of those with a score below; they are left anyhow. */
function bestOf(
  layout: Layout,
  given: Omit<Sale, 'columns'> & {
    readonly from: ArrayLike<number>
    readonly work: number
    readonly movesMax: number
    readonly seed: number
    readonly below: number
  }
): Int32Array | undefined {
  const { shapes, movable, movesMax } = given
  const offered = new Int32Array(shapes.count)
  for (const demand of movable) if (clears(layout, demand)) offered[shapes.of[demand]!]! += 1
  const start = Int32Array.from(layout.first)
  const market = new Market(layout, shapes, { movesMax, seed: given.seed, offered })
  const rounds = Math.min(roundsMax, Math.floor(given.work / Math.max(1, market.work)))
  if (rounds < roundsMin || market.value === 0) return undefined
  let [best, found] = [given.below, undefined as Int32Array | undefined]
  for (let round = 1; round <= rounds; round += 1) {
    market.round()
    if (round < roundsMin || market.moves > beyondMost * movesMax) continue
    if (seat(layout, { shapes, movable, columns: market.columns }) && trim(layout, given)) {
      layout.recount()
      if (layout.score < best) [best, found] = [layout.score, Int32Array.from(layout.first)]
    }
    for (const demand of movable) layout.place(demand, start[demand]!, -1)
  }
  return found
}

/** Takes its seat from a demand that clashes there, or has to leave; gives whether it did. */
function clears(layout: Layout, demand: number): boolean {
  const [{ clash }, host] = [layout, layout.first[demand]!]
  if (layout.open[host] === 1 && layout.grouped[demand] === 0) return false
  layout.place(demand, -1, -1)
  if (layout.open[host] === 0 || layout.clash < clash) return true
  layout.place(demand, host, -1)
  return false
}

type Sale = {
  readonly shapes: Shapes
  /** By host and shape: how many more come than leave. */
  readonly columns: Int32Array
  readonly movable: Int32Array
}

/** Seats those who leave; gives whether each has a seat. */
function seat(layout: Layout, sale: Sale): boolean {
  const leavers = leaversOf(layout, sale)
  for (const demand of leavers) layout.place(demand, -1, -1)
  const { shapes, columns } = sale
  const wanted = Array.from({ length: shapes.count }, (): number[] => [])
  for (const [at, more] of columns.entries()) {
    for (let k = 0; k < more; k += 1) wanted[at % shapes.count]!.push(Math.floor(at / shapes.count))
  }
  const left = leavers.filter(demand => !settle(layout, demand, wanted[shapes.of[demand]!]!))
  const hosts = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
  const look = { hosts, except: -1, below: Infinity, forced: false }
  return left.every(demand => {
    const { host } = bestFirst(layout, demand, look)
    if (host >= 0) layout.place(demand, host, -1)
    return host >= 0
  })
}

/** Gives a demand one of the places that its shape is wanted at. */
function settle(layout: Layout, demand: number, places: number[]): boolean {
  const { clash } = layout
  for (const [at, host] of places.entries()) {
    if (!takesFirst(layout, demand, host, false)) continue
    layout.place(demand, host, -1)
    if (layout.clash <= clash) {
      places[at] = places.at(-1)!
      places.pop()
      return true
    }
    layout.place(demand, -1, -1)
  }
  return false
}

/** Who leaves, or has left; those that are hard to seat, as they are in groups, first. */
function leaversOf(layout: Layout, { shapes, columns, movable }: Sale): readonly number[] {
  const { first, grouped } = layout
  const isHard = (demand: number): number => grouped[demand]!
  const leaving = columns.map(more => Math.max(0, -more))
  const byEase = movable.toSorted((a, b) => isHard(a) - isHard(b) || a - b)
  const leavers = [...byEase].filter(demand => {
    if (first[demand]! < 0) return true
    const at = first[demand]! * shapes.count + shapes.of[demand]!
    if (leaving[at] === 0) return false
    leaving[at]! -= 1
    return true
  })
  return leavers.sort((a, b) => isHard(b) - isHard(a) || a - b)
}

/** Sends those home who matter least, until no more move than may; gives whether that was done. */
function trim(
  layout: Layout,
  {
    from,
    movable,
    movesMax
  }: Pick<Sale, 'movable'> & { readonly from: ArrayLike<number>; readonly movesMax: number }
): boolean {
  const movers = new Set(movable.filter(demand => layout.first[demand] !== from[demand]))
  while (movers.size > movesMax) {
    let [best, least] = [-1, Infinity]
    for (const demand of movers) {
      if (!takesFirst(layout, demand, from[demand]!, false)) continue
      const host = layout.first[demand]!
      layout.place(demand, from[demand]!, -1)
      if (layout.score < least) [best, least] = [demand, layout.score]
      layout.place(demand, host, -1)
    }
    if (best < 0) return false
    layout.place(best, from[best]!, -1)
    movers.delete(best)
  }
  return true
}
