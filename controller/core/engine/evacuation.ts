/**
 * Empties hosts: who sits there gets the best seats elsewhere. First come those who run there, then
 * those who only have a copy there; of each the largest first, since the small ones fill what is
 * left. Then each is offered a better seat once more, now that all the others have theirs. Each
 * move only adds to hosts that stay open, so the moves are allowed in the order in which they are
 * given, and whoever comes first is safe first.
 */
import { Cheapest, type Listed } from './cheapest.ts'
import { descend } from './descent.ts'
import type { Layout } from './layout.ts'
import type { Move } from './problem.ts'
import { bestFirst, bestSecond, scoreGrain, takesFirst } from './seating.ts'

/** How hosts are emptied. */
export type Evacuation = {
  readonly moves: readonly Move[]
  /** Demands for which no open host has room. */
  readonly stranded: readonly number[]
  /** The score once all moves are made. */
  readonly score: number
}

/** How many hosts are looked at closely for each. */
const hostsMost = 12
/** With so many leavers times hosts at most, the steepest order is tried as well. */
const steepestMax = 4_000
/** About how many looks at hosts are spent on other orders. */
const shuffleLooksMax = 40_000
const shufflesMax = 60
/** How often each is offered a better seat. */
const roundsMax = 2

/** Plans what would be done if these hosts were closed; the layout is afterwards as it was. */
export function planEvacuation(layout: Layout, hosts: readonly number[]): Evacuation {
  const closing = hosts.filter(host => layout.open[host] === 1)
  for (const host of closing) layout.setOpen(host, false)
  const leavers = leaversFrom(layout, hosts)
  const open = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
  const cheapest = new Cheapest(layout, open, hostsMost)
  const stranded = leavers.filter(leaver => !settle(layout, leaver, cheapest))
  polish(layout, leavers, cheapest)
  const isSmall = leavers.length * open.length <= steepestMax
  if (isSmall && stranded.length === 0) trySteepest(layout, leavers, cheapest)
  const moves = leavers.flatMap(leaver => movesOf(layout, leaver))
  const { score } = layout
  for (const { demand, first, second } of leavers) layout.place(demand, first, second)
  for (const host of closing) layout.setOpen(host, true)
  layout.recount()
  return { moves, stranded: stranded.map(({ demand }) => demand), score }
}

const seatsOf = ({ first, second }: Layout, demand: number): Move => ({
  demand,
  first: first[demand]!,
  second: second[demand]!
})

/** Where one sits who has to leave, and the seat of a pair that it keeps; -1: none. */
type Leaver = Move & { readonly keeps: number }

/** Who has a seat on these hosts: those who run there first, of them the largest. */
function leaversFrom(layout: Layout, hosts: readonly number[]): readonly Leaver[] {
  const demands = new Set<number>()
  for (const host of hosts) {
    for (const demand of layout.residents.of(host)) demands.add(demand)
    for (const demand of layout.copies.of(host)) demands.add(demand)
  }
  return [...demands]
    .filter(demand => !layout.problem.fixed[demand])
    .map(demand => {
      const seats = seatsOf(layout, demand)
      return { ...seats, size: sizeOf(layout, demand), runs: layout.open[seats.first] === 0 }
    })
    .sort((a, b) => Number(b.runs) - Number(a.runs) || b.size - a.size || a.demand - b.demand)
    .map(({ demand, first, second }) => {
      const isPair = second >= 0
      const keeps = !isPair ? -1 : layout.open[first] === 1 ? first : second
      return { demand, first, second, keeps }
    })
}

/** The moves of one; a pair that loses both seats gets one after the other. */
function movesOf(layout: Layout, leaver: Leaver): readonly Move[] {
  const { demand, first, second } = seatsOf(layout, leaver.demand)
  if (first === leaver.first && second === leaver.second) return []
  const stays = second < 0 || first === leaver.keeps || second === leaver.keeps
  const last = { demand, first, second }
  return stays ? [last] : [{ demand, first, second: leaver.second }, last]
}

/** How much of an average host a demand takes, in all dimensions. */
function sizeOf({ dimensions, amount, scale, weight }: Layout, demand: number): number {
  let size = 0
  for (let d = 0; d < dimensions; d += 1) {
    size += weight[d]! * amount[demand * dimensions + d]! * scale[d]!
  }
  return size
}

/** Gives one the best seats on open hosts; false: some seat is on a closed one still. */
function settle(layout: Layout, leaver: Leaver, hosts: Cheapest): boolean {
  const free = { below: Infinity, forced: false }
  const found =
    bestSeats(layout, leaver, { hosts, ...free }) ??
    (hosts.isWhole ? undefined : bestSeats(layout, leaver, { hosts: hosts.all, ...free })) ??
    bestForced(layout, leaver, hosts)
  if (!found) return false
  take(layout, leaver.demand, { hosts, ...found })
  if (found.second < 0 || layout.open[found.second] === 1) return true
  return settle(layout, { ...leaver, ...found, keeps: found.first }, hosts)
}

/** The best seats of all when only hard limits hold; the cheap ones say what to stay below. */
function bestForced(layout: Layout, leaver: Leaver, hosts: Cheapest): Seats | undefined {
  const forced = { below: Infinity, forced: true }
  const cheap = bestSeats(layout, leaver, { hosts, ...forced })
  if (hosts.isWhole) return cheap
  const below = cheap ? cheap.score + 2 * scoreGrain : Infinity
  return bestSeats(layout, leaver, { hosts: hosts.all, below, forced: true })
}

/** Gives a demand its seats, and follows the hosts that this changes. */
function take(
  layout: Layout,
  demand: number,
  { hosts, first, second }: Omit<Seats, 'score'> & { readonly hosts: Cheapest }
): void {
  const [oldFirst, oldSecond] = [layout.first[demand]!, layout.second[demand]!]
  layout.place(demand, first, second)
  hosts.renew(first)
  if (second >= 0) hosts.renew(second)
  if (oldFirst !== first && oldFirst !== second) hosts.renew(oldFirst)
  if (oldSecond >= 0 && oldSecond !== first && oldSecond !== second) hosts.renew(oldSecond)
}

/** Offers each a better seat; false: nobody took one. */
function improve(layout: Layout, leavers: readonly Leaver[], hosts: Cheapest): boolean {
  let improved = false
  for (const leaver of leavers) {
    if (!isSettled(layout, leaver)) continue
    const found = bestSeats(layout, leaver, { hosts, forced: false, below: layout.score })
    if (!found) continue
    take(layout, leaver.demand, { hosts, ...found })
    improved = true
  }
  return improved
}

function polish(layout: Layout, leavers: readonly Leaver[], hosts: Cheapest): void {
  hosts.refresh()
  for (let round = 0; round < roundsMax; round += 1) {
    if (!improve(layout, leavers, hosts)) break
  }
  shuffle(layout, leavers, hosts)
}

/** Begins again with the move that gains most each time, and keeps it if that ends better. */
function trySteepest(layout: Layout, leavers: readonly Leaver[], hosts: Cheapest): void {
  const isLeft = (host: number): boolean => layout.open[host] === 0 && layout.seats[host]! > 0
  // Who has stayed on other closed hosts would be moved as well.
  if (Array.from(layout.open.keys()).some(isLeft)) return
  const { score } = layout
  const before = leavers.map(({ demand }) => seatsOf(layout, demand))
  for (const { demand, first, second } of leavers) layout.place(demand, first, second)
  descend(layout, { movesMax: Infinity, contentAt: -1, gainMin: 0, evacuate: true })
  if (leavers.every(leaver => isSettled(layout, leaver))) {
    polish(layout, leavers, hosts)
    if (layout.score < score) return
  }
  for (const { demand, first, second } of before) layout.place(demand, first, second)
}

/**
 * Takes some out, by lot, and settles them in another order; keeps what is better. The lots are the
 * same each time. Where there are many hosts the first order is good already, and it costs most.
 */
function shuffle(layout: Layout, leavers: readonly Leaver[], hosts: Cheapest): void {
  const settled = leavers.filter(leaver => isSettled(layout, leaver))
  if (settled.length === 0) return
  const looks = 1 + settled.length * layout.openHosts
  const rounds = Math.min(shufflesMax, Math.floor(shuffleLooksMax / looks))
  const draw = lots(settled.length)
  for (let round = 0; round < rounds; round += 1) {
    const { score } = layout
    const some = Array.from({ length: 1 + Math.floor(settled.length / 4) }, () => settled[draw()]!)
    const before = some.map(({ demand }) => seatsOf(layout, demand))
    for (const { demand, first, second } of some) take(layout, demand, { hosts, first, second })
    const all = some.filter(leaver => isSettled(layout, leaver) || settle(layout, leaver, hosts))
    if (all.length === some.length && layout.score < score) continue
    for (const { demand, first, second } of before) take(layout, demand, { hosts, first, second })
  }
}

/** Whether one has left, and by one move. */
function isSettled(layout: Layout, { demand, keeps }: Leaver): boolean {
  const [first, second] = [layout.first[demand]!, layout.second[demand]!]
  if (layout.open[first] === 0) return false
  return second < 0 || (layout.open[keeps] === 1 && layout.open[second] === 1)
}

/** Numbers below a count, in an order without order. */
function lots(count: number): () => number {
  let state = 1
  return () => {
    state = (state * 48271) % 2147483647
    return state % count
  }
}

type Asked = { readonly hosts: Listed; readonly forced: boolean; readonly below: number }
type Seats = { readonly first: number; readonly second: number; readonly score: number }

/** The best seats, of a pair one of them anew; the layout is afterwards as it was. */
function bestSeats(layout: Layout, leaver: Leaver, asked: Asked): Seats | undefined {
  const { demand } = leaver
  const [first, second] = [layout.first[demand]!, layout.second[demand]!]
  // A pair that has always run on the seat that it keeps loses the other one alone: less work.
  const { keeps } = leaver
  if (second < 0 || keeps !== first || keeps !== leaver.first) layout.place(demand, -1, -1)
  const best = second < 0 ? bestSingle(layout, demand, asked) : bestPair(layout, leaver, asked)
  layout.place(demand, first, second)
  return best
}

function bestSingle(layout: Layout, demand: number, asked: Asked): Seats | undefined {
  const { hosts, below, forced } = asked
  const look = { hosts: hosts.of(demand, false), except: -1, below, forced }
  const { host, score } = bestFirst(layout, demand, look)
  return host < 0 ? undefined : { first: host, second: -1, score }
}

/** The seat that is kept becomes the first one, or the second. */
function bestPair(layout: Layout, leaver: Leaver, asked: Asked): Seats | undefined {
  const { demand, keeps, first } = leaver
  const { hosts, forced } = asked
  // The pair runs on the seat that it keeps until it has the other one.
  if (keeps !== first && !takesFirst(layout, demand, keeps, forced)) return undefined
  let best: Seats | undefined
  let { below } = asked
  if (layout.open[keeps] === 1) {
    layout.place(demand, keeps, -1)
    const look = { hosts: hosts.of(demand, true), except: -1, below, forced }
    const { host, score } = bestSecond(layout, demand, look)
    if (host >= 0) [best, below] = [{ first: keeps, second: host, score }, score]
  }
  layout.place(demand, -1, keeps)
  const look = { hosts: hosts.of(demand, false), except: -1, below, forced }
  const { host, score } = bestFirst(layout, demand, look)
  return host < 0 ? best : { first: host, second: keeps, score }
}
