/**
 * What would become of those who leave lost hosts: the same as controller/core/decide.ts makes of
 * them, on the same rules. The most important is placed first, on the host with the largest share
 * of unpromised memory that can take it, and so on; who finds no place is stranded, and the next
 * one is tried all the same.
 */
import { byPriority, type Evacuee } from './evacuee.ts'
import type { Ground } from './ground.ts'
import { GroupTally } from './group-tally.ts'

/** What came of a loss. */
export type Planned = {
  /** Who found no place, the most important first. */
  readonly stranded: readonly Evacuee[]
  /** Where the others went, by numbers of hosts, with what is left there after all. */
  readonly taken: readonly Taken[]
}

/** A host that takes some in, and what is left of it. */
export type Taken = {
  readonly host: number
  freeMib: number
  freeVcpus: number
  freeBytes: number
  readonly evacuees: Evacuee[]
}

/**
 * Plans the loss of some hosts at once. `first`: it ends with the first that is stranded.
 * `leavers`: who leaves these hosts; left out: whoever starts elsewhere when they are lost.
 */
export function planOf(
  ground: Ground,
  lost: readonly number[],
  {
    first = false,
    leavers = evacueesOf(ground, lost)
  }: { readonly first?: boolean; readonly leavers?: readonly Evacuee[] } = {}
): Planned {
  const { marks, top } = ground
  ground.mark += 1
  for (const host of lost) marks[host] = ground.mark
  const taken: Taken[] = []
  const stranded: Evacuee[] = []
  const leaving = leavingOf(ground, lost, leavers)
  const isGrouped = leaving.some(({ groups }) => groups.length > 0)
  const tally = isGrouped ? new GroupTally(ground, lost, leavers) : undefined
  for (const evacuee of leaving) {
    tally?.lift(evacuee)
    const isHopeless = evacuee.memoryMib > top.memoryMib || evacuee.vcpus > top.vcpus
    const best = isHopeless ? undefined : bestOf(ground, { taken, tally }, evacuee)
    if (!best) {
      tally?.stay(evacuee)
      stranded.push(evacuee)
      if (first) break
      continue
    }
    if (!taken.includes(best)) {
      taken.push(best)
      marks[best.host] = ground.mark
    }
    best.freeMib -= evacuee.memoryMib
    best.freeVcpus -= evacuee.vcpus
    best.freeBytes -= evacuee.orderBytes
    best.evacuees.push(evacuee)
    tally?.put(evacuee, best.host)
  }
  return { stranded, taken }
}

const evacueesOf = ({ rows }: Ground, lost: readonly number[]): readonly Evacuee[] =>
  lost.length === 1 ? rows[lost[0]!]!.evacuees : lost.flatMap(host => rows[host]!.evacuees)

/** All that leave, with those that wait already, as they are placed. One on its way is on two. */
function leavingOf(
  { waiting }: Ground,
  lost: readonly number[],
  leavers: readonly Evacuee[]
): readonly Evacuee[] {
  if (lost.length === 1 && waiting.length === 0) return leavers
  const sorted = [...leavers, ...waiting].sort(byPriority)
  return sorted.filter((one, at) => one.id !== sorted[at - 1]?.id)
}

/** One that it would rather not go to is better than none. */
function bestOf(ground: Ground, course: Course, evacuee: Evacuee): Taken | undefined {
  const used = bestTaken(ground, course, evacuee)
  const best = betterOf(ground, used, bestUntouched(ground, course, evacuee))
  if (best || !evacuee.avoided) return best
  return bestOf(ground, course, { ...evacuee, avoided: undefined })
}

/** What was planned so far. */
type Course = { readonly taken: readonly Taken[]; readonly tally: GroupTally | undefined }

const mayJoin = ({ tally }: Course, evacuee: Evacuee, host: number): boolean =>
  evacuee.groups.length === 0 || tally === undefined || tally.allows(evacuee, host)

function bestTaken(ground: Ground, course: Course, evacuee: Evacuee): Taken | undefined {
  let best: Taken | undefined
  for (const one of course.taken) {
    if (evacuee.running && (one.freeMib < evacuee.memoryMib || one.freeVcpus < evacuee.vcpus)) {
      continue
    }
    if (one.freeBytes < evacuee.orderBytes || !suits(ground, one.host, evacuee)) continue
    if (evacuee.scarce && !ground.hasScarce(one.host, evacuee.scarce, one.evacuees)) continue
    if (!mayJoin(course, evacuee, one.host)) continue
    best = betterOf(ground, best, one)
  }
  return best
}

/** Hosts with enough memory that are fewer are all looked at; of more, the best are. */
const fewHosts = 32

/** The best of those that nothing was planned on. */
function bestUntouched(ground: Ground, course: Course, evacuee: Evacuee): Taken | undefined {
  const can = (host: number): boolean =>
    marks[host] !== mark && ground.canTake(host, evacuee) && mayJoin(course, evacuee, host)
  const { order, roomiest, marks, mark, freeMib } = ground
  let best: number | undefined
  for (let at = 0; at < roomiest.length; at += 1) {
    const host = roomiest[at]!
    if (freeMib[host]! < evacuee.memoryMib && evacuee.running) return freshTaken(ground, best)
    if (at === fewHosts) break
    if (!can(host)) continue
    if (best === undefined || ground.isBetter(host, best)) best = host
  }
  // The first in order is the best of all.
  const first = order.find(can)
  return freshTaken(ground, first)
}

const freshTaken = (ground: Ground, host: number | undefined): Taken | undefined =>
  host === undefined
    ? undefined
    : {
        host,
        freeMib: ground.freeMib[host]!,
        freeVcpus: ground.freeVcpus[host]!,
        freeBytes: ground.freeBytes[host]!,
        evacuees: []
      }

const suits = (ground: Ground, host: number, { want, only, avoided }: Evacuee): boolean =>
  ground.isMet(host, want) &&
  (only === undefined || only === ground.name(host)) &&
  avoided?.has(ground.name(host)) !== true

function betterOf(ground: Ground, a: Taken | undefined, b: Taken | undefined): Taken | undefined {
  if (!a || !b) return a ?? b
  const [shareA, shareB] = [shareOf(ground, a), shareOf(ground, b)]
  if (shareA !== shareB) return shareA > shareB ? a : b
  return ground.name(a.host) < ground.name(b.host) ? a : b
}

function shareOf(ground: Ground, { host, freeMib }: Taken): number {
  const total = ground.totalMib[host]!
  return total > 0 ? freeMib / total : 0
}
