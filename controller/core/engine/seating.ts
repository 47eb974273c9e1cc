/**
 * Finds the best host for one seat of a demand while its other seat, if it has one, stays put. The
 * seat is free when this is called, so each host costs one look: of each dimension its share rises
 * there and nowhere else, and the sums say what the score becomes.
 *
 * Among hosts with one score (to within rounding) the first in the list is taken.
 */
import { deviation, type Layout } from './layout.ts'

/** Scores that differ by less are one. */
export const scoreGrain = 1e-11

/** A host and what the score becomes with it; -1: none is better than what was asked for. */
export type Seat = { host: number; score: number }

/** Where to look, and what for. */
export type Look = {
  /** Numbers of hosts, closed ones left out. */
  readonly hosts: Int32Array
  /** How many of them count; all, unless said. */
  readonly count?: number
  /** Hosts that are not wanted, or -1. */
  readonly except: number
  /** Only a lower score is of use. */
  readonly below: number
  /** Whether the demand leaves a closed host: then only hard limits hold. */
  readonly forced: boolean
}

/** Whether a host can take a first seat; the demand must not sit there. */
export function takesFirst(layout: Layout, demand: number, host: number, forced: boolean): boolean {
  const { dimensions, problem } = layout
  for (let d = 0; d < dimensions; d += 1) {
    if (forced && layout.hard[d] === 0) continue
    const amount = layout.amount[demand * dimensions + d]!
    if (layout.used[host * dimensions + d]! + amount > layout.limit[host * dimensions + d]!) {
      return false
    }
  }
  if (forced) return true
  const { reserve } = problem
  if (reserve && layout.short[host] === 0) {
    const amount = layout.amount[demand * dimensions + reserve.dimension]!
    if (layout.free(host) - amount < layout.kept[host]!) return false
  }
  return !clashesAt(layout, demand, host)
}

/** Whether a host can take a second seat whose first one is there. */
export function takesSecond(
  layout: Layout,
  demand: number,
  {
    host,
    first,
    forced
  }: { readonly host: number; readonly first: number; readonly forced: boolean }
): boolean {
  const { dimensions, problem } = layout
  for (let d = 0; d < dimensions; d += 1) {
    if (layout.both[d] === 0 || (forced && layout.hard[d] === 0)) continue
    const amount = layout.amount[demand * dimensions + d]!
    if (layout.used[host * dimensions + d]! + amount > layout.limit[host * dimensions + d]!) {
      return false
    }
  }
  const { reserve } = problem
  if (forced || !reserve || !reserve.counted[demand]) return true
  const amount = layout.amount[demand * dimensions + reserve.dimension]!
  const free = layout.free(host)
  if (amount > free) return false
  return layout.short[host] === 1 || free >= layout.keptWith(host, first, amount)
}

function clashesAt(layout: Layout, demand: number, host: number): boolean {
  if (layout.grouped[demand] === 0) return false
  const groups = layout.problem.groups[demand]!
  const { levels } = layout.problem
  for (let level = 0; level < levels.length; level += 1) {
    const { domain, forbids } = levels[level]!
    if (!forbids || domain[host]! < 0) continue
    for (const group of groups) {
      if (layout.members[level]!.get(domain[host]!, group) > 0) return true
    }
  }
  return false
}

/** What groups and levels add to the score when the first seat comes to a host. */
function clashWith(layout: Layout, demand: number, first: number, second: number): number {
  const groups = layout.problem.groups[demand]!
  const { levels } = layout.problem
  let clash = second >= 0 ? pairWith(layout, second, first) : 0
  if (layout.grouped[demand] === 0) return clash
  for (let level = 0; level < levels.length; level += 1) {
    const { domain, clashWeight } = levels[level]!
    const here = domain[first]!
    if (here < 0) continue
    for (const group of groups) {
      if (layout.members[level]!.get(here, group) > 0) clash += clashWeight
    }
  }
  return clash
}

/** The best host for the first seat of a demand that has none. */
export function bestFirst(layout: Layout, demand: number, look: Look): Seat {
  const { dimensions, amount, value, scale, sum, square, weight, problem } = layout
  const { hosts, except, forced } = look
  const listed = look.count ?? hosts.length
  const { reserve } = problem
  const count = layout.openHosts
  const second = layout.second[demand]!
  const base = layout.clash + layout.closed
  const floor = reserve ? reserveFloor(layout, demand, second) : 0
  const isPlain = layout.grouped[demand] === 0 && second < 0
  const amounts = demand * dimensions
  let [best, bestHost] = [look.below, -1]
  for (let index = 0; index < listed; index += 1) {
    const host = hosts[index]!
    if (host === except || host === second) continue
    const cells = host * dimensions
    let score = base
    for (let d = 0; d < dimensions; d += 1) {
      const rise = amount[amounts + d]! * scale[cells + d]!
      const mean = (sum[d]! + rise) / count
      const squares = square[d]! + rise * (2 * value[cells + d]! + rise)
      const variance = squares / count - mean * mean
      if (variance > 0) score += weight[d]! * Math.sqrt(variance)
    }
    if (score + floor >= best - scoreGrain) continue
    if (!isPlain) score += clashWith(layout, demand, host, second)
    if (reserve) score += reserveWithFirst(layout, demand, host, second)
    if (score >= best - scoreGrain) continue
    if (!takesFirst(layout, demand, host, forced)) continue
    if (second >= 0 && !forced && !staysWhole(layout, demand, host, second)) continue
    best = score
    bestHost = host
  }
  return { host: bestHost, score: best }
}

/** The best host for the second seat of a demand that has a first one. */
export function bestSecond(layout: Layout, demand: number, look: Look): Seat {
  const { dimensions, amount, value, scale, sum, square, weight, both, problem } = layout
  const { hosts, except, forced } = look
  const listed = look.count ?? hosts.length
  const { reserve } = problem
  const count = layout.openHosts
  const first = layout.first[demand]!
  const amounts = demand * dimensions
  let base = layout.clash + layout.closed
  for (let d = 0; d < dimensions; d += 1) {
    if (both[d] === 0) base += weight[d]! * deviation(sum[d]!, square[d]!, count)
  }
  const floor = reserve ? reserveFloorOfSecond(layout) : 0
  let [best, bestHost] = [look.below, -1]
  for (let index = 0; index < listed; index += 1) {
    const host = hosts[index]!
    if (host === except || host === first) continue
    const cells = host * dimensions
    let score = base
    for (let d = 0; d < dimensions; d += 1) {
      if (both[d] === 0) continue
      const rise = amount[amounts + d]! * scale[cells + d]!
      const mean = (sum[d]! + rise) / count
      const squares = square[d]! + rise * (2 * value[cells + d]! + rise)
      const variance = squares / count - mean * mean
      if (variance > 0) score += weight[d]! * Math.sqrt(variance)
    }
    if (score + floor >= best - scoreGrain) continue
    score += pairWith(layout, host, first)
    if (reserve) score += reserveWithSecond(layout, demand, host, first)
    if (score >= best - scoreGrain) continue
    if (!takesSecond(layout, demand, { host, first, forced })) continue
    best = score
    bestHost = host
  }
  return { host: bestHost, score: best }
}

function pairWith(layout: Layout, second: number, first: number): number {
  let weighed = 0
  for (const { domain, pairWeight } of layout.pairLevels) {
    if (domain[first]! >= 0 && domain[first] === domain[second]) weighed += pairWeight
  }
  return weighed
}

/** Whether the host of the second seat still has what it must keep once the first one is there. */
function staysWhole(layout: Layout, demand: number, first: number, second: number): boolean {
  const { reserve } = layout.problem
  if (!reserve?.counted[demand] || layout.short[second] === 1) return true
  const amount = layout.amount[demand * layout.dimensions + reserve.dimension]!
  const free = layout.free(second)
  return amount <= free && free >= layout.keptWith(second, first, amount)
}

/**
 * What the reserve adds to the score at least, whatever the free seat gets: no host keeps less, and
 * the deviation falls most when the host that keeps more comes to the mean.
 */
function reserveFloor(layout: Layout, demand: number, second: number): number {
  const { keptSum, keptSquare, openHosts } = layout
  const { dimension, deviationWeight, sumWeight, shortWeight } = layout.problem.reserve!
  const plain = sumWeight * keptSum + shortWeight * layout.shortSeats
  const amount = layout.amount[demand * layout.dimensions + dimension]!
  if (second < 0) return plain
  const scale = layout.keptScale[second]!
  const share = layout.kept[second]! * scale
  const ideal = (keptSum / openHosts - share) / (1 - 1 / openHosts)
  const rise = Math.min(Math.max(ideal, 0), amount * scale)
  const squares = keptSquare + rise * (2 * share + rise)
  return plain + deviationWeight * deviation(keptSum + rise, squares, openHosts)
}

/**
 * The same while a second seat is free, whatever host gets it: at best one that keeps nothing yet,
 * and then so much that the deviation falls most.
 */
function reserveFloorOfSecond({
  keptSum,
  keptSquare,
  openHosts,
  shortSeats,
  problem
}: Layout): number {
  const { deviationWeight, sumWeight, shortWeight } = problem.reserve!
  const rise = keptSum / (openHosts - 1)
  const spread = deviation(keptSum + rise, keptSquare + rise * rise, openHosts)
  return deviationWeight * spread + sumWeight * keptSum + shortWeight * shortSeats
}

/** What the reserve adds to the score when a host keeps so much, with so many more short seats. */
function reserveScore(layout: Layout, host: number, kept: number, shortSeats: number): number {
  const { deviationWeight, sumWeight, shortWeight } = layout.problem.reserve!
  const { keptSum, keptSquare, openHosts } = layout
  let [sum, square] = [keptSum, keptSquare]
  if (host >= 0 && layout.open[host] === 1 && kept !== layout.kept[host]!) {
    const scale = layout.keptScale[host]!
    const [before, after] = [layout.kept[host]! * scale, kept * scale]
    sum += after - before
    square += after * after - before * before
  }
  const short = layout.shortSeats + shortSeats
  return deviationWeight * deviation(sum, square, openHosts) + sumWeight * sum + shortWeight * short
}

function reserveWithFirst(layout: Layout, demand: number, first: number, second: number): number {
  const { dimension, counted } = layout.problem.reserve!
  const amount = layout.amount[demand * layout.dimensions + dimension]!
  let shortSeats = 0
  if (layout.short[first] === 1) shortSeats += 1
  else if (layout.free(first) - amount < layout.kept[first]!) {
    shortSeats += layout.seats[first]! + 1
  }
  if (second < 0 || !counted[demand]) return reserveScore(layout, -1, 0, shortSeats)
  const kept = layout.keptWith(second, first, amount)
  const turnsShort = layout.short[second] === 0 && layout.free(second) < kept
  if (turnsShort && layout.open[second] === 1) shortSeats += layout.seats[second]!
  return reserveScore(layout, second, kept, shortSeats)
}

function reserveWithSecond(layout: Layout, demand: number, host: number, first: number): number {
  const { dimension, counted } = layout.problem.reserve!
  if (!counted[demand]) return reserveScore(layout, -1, 0, layout.short[host]!)
  const amount = layout.amount[demand * layout.dimensions + dimension]!
  const kept = layout.keptWith(host, first, amount)
  let shortSeats = layout.short[host]!
  if (shortSeats === 0 && layout.free(host) < kept) shortSeats = layout.seats[host]! + 1
  return reserveScore(layout, host, kept, shortSeats)
}
