/**
 * In which batches all hosts are rebooted, in as few as come out. Hosts of one batch are down
 * together, and everything is back where it was before the next batch.
 *
 * Pairs run on their second seats meanwhile. So no pair has both of its seats in one batch, and, as
 * long as they run, no two hosts of a batch have their pairs' second seats on one host, since that
 * keeps room for the loss of one other host only. This is a graph to be coloured. Demands with one
 * seat go to hosts that are not in the batch, but for fixed ones, which go down with their
 * host; a batch whose demands find no room is split.
 */
import { colour } from './coloring.ts'
import { planEvacuation } from './evacuation.ts'
import { Layout } from './layout.ts'
import type { Move, Problem } from './problem.ts'

/** Hosts that go down together, and where those with one seat go before. */
export type Batch = { readonly hosts: readonly number[]; readonly moves: readonly Move[] }

/** What is known of the demands while hosts go down. */
export type Rolling = {
  /** Whether pairs run meanwhile, on their second seats. */
  readonly live: boolean
  /** A host of the last batch: the one that commands the others. */
  readonly last?: number
}

/** How all open hosts are rebooted, the largest batch first; undefined: one cannot be emptied. */
export function planReboots(
  problem: Problem,
  { live, last }: Rolling
): readonly Batch[] | undefined {
  const layout = new Layout(withPairsFixed(problem))
  const hosts = Array.from(problem.open).flatMap((isOpen, host) => (isOpen ? [host] : []))
  const batches: Batch[] = []
  for (const part of partsOf(problem, hosts, live)) {
    const split = splitOf(layout, part)
    if (!split) return undefined
    batches.push(...split)
  }
  const isLast = (batch: Batch): number => Number(last !== undefined && batch.hosts.includes(last))
  return batches.sort((a, b) => isLast(a) - isLast(b) || b.hosts.length - a.hosts.length)
}

const isPair = ({ first, second }: Problem, demand: number): boolean =>
  first[demand]! >= 0 && second[demand]! >= 0

const withPairsFixed = (problem: Problem): Problem => ({
  ...problem,
  fixed: Array.from(problem.fixed, (fixed, each) => (isPair(problem, each) ? 1 : fixed))
})

/** Hosts that may be down together as far as pairs are concerned. */
function partsOf(
  problem: Problem,
  hosts: readonly number[],
  live: boolean
): readonly (readonly number[])[] {
  const corners = hosts.length
  const edges = new Uint8Array(corners * corners)
  const corner = new Map(hosts.map((host, number) => [host, number]))
  const join = (one: number | undefined, other: number | undefined): void => {
    if (one === undefined || other === undefined || one === other) return
    edges[one * corners + other] = 1
    edges[other * corners + one] = 1
  }
  const leaders = new Map<number, Set<number>>()
  for (let demand = 0; demand < problem.first.length; demand += 1) {
    if (!isPair(problem, demand)) continue
    const [first, second] = [problem.first[demand]!, problem.second[demand]!]
    join(corner.get(first), corner.get(second))
    const others = leaders.get(second) ?? new Set<number>()
    leaders.set(second, others.add(first))
  }
  for (const others of live ? leaders.values() : []) {
    for (const one of others) for (const other of others) join(corner.get(one), corner.get(other))
  }
  const colours = colour({ corners, edges })
  const parts = Array.from({ length: Math.max(0, ...colours) + 1 }, (): number[] => [])
  for (const [number, host] of hosts.entries()) parts[colours[number]!]!.push(host)
  return parts
}

/** As many batches as their demands with one seat need to find room elsewhere. */
function splitOf(layout: Layout, hosts: readonly number[]): readonly Batch[] | undefined {
  const least = hosts.length === layout.openHosts && hosts.length > 1 ? 2 : 1
  for (let count = least; count <= hosts.length; count += 1) {
    const batches: Batch[] = []
    for (const part of dealt(layout, hosts, count)) {
      const batch = batchOf(layout, part)
      if (!batch) break
      batches.push(batch)
    }
    if (batches.length === count) return batches
  }
  return undefined
}

function batchOf(layout: Layout, hosts: readonly number[]): Batch | undefined {
  if (!hasRoom(layout, hosts)) return undefined
  const { moves, stranded } = planEvacuation(layout, hosts)
  return stranded.length > 0 ? undefined : { hosts: hosts.toSorted((a, b) => a - b), moves }
}

/** Deals hosts to so many parts, those with the most demands first, each to the emptiest part. */
function dealt(layout: Layout, hosts: readonly number[], count: number): readonly number[][] {
  const parts = Array.from({ length: count }, () => ({ hosts: [] as number[], seats: 0 }))
  const order = hosts.toSorted((a, b) => layout.firsts[b]! - layout.firsts[a]! || a - b)
  for (const host of order) {
    const emptiest = parts.reduce((a, b) =>
      b.seats < a.seats || (b.seats === a.seats && b.hosts.length < a.hosts.length) ? b : a
    )
    emptiest.hosts.push(host)
    emptiest.seats += layout.firsts[host]!
  }
  return parts.map(part => part.hosts)
}

/** Whether the other hosts have enough room in all, whatever goes where. */
function hasRoom(layout: Layout, hosts: readonly number[]): boolean {
  const { dimensions, open, used, limit, hard, amount, residents, problem } = layout
  const closing = new Set(hosts)
  const free = new Float64Array(dimensions)
  for (let host = 0; host < layout.hosts; host += 1) {
    const leaves = closing.has(host)
    if (open[host] === 0 && !leaves) continue
    for (let d = 0; d < dimensions; d += 1) {
      const cell = host * dimensions + d
      if (!leaves) free[d]! += Math.max(0, limit[cell]! - used[cell]!)
    }
    if (!leaves) continue
    for (let each = residents.heads[host]!; each >= 0; each = residents.next[each]!) {
      if (problem.fixed[each]) continue
      for (let d = 0; d < dimensions; d += 1) free[d]! -= amount[each * dimensions + d]!
    }
  }
  return free.every((left, d) => left >= 0 || hard[d] === 0)
}
