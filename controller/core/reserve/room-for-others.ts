/**
 * Placement of those that have lost their hosts. Hosts that are lost together are proven off one by
 * one, and room is kept for all of them at once. So who is free first goes to the best of the hosts
 * that leave room for others: for those that wait, and for what is on hosts that are missing. Where
 * none does it goes to the best of all: who can start now does not wait.
 */
import { missingNames } from '../brake.ts'
import type { Change } from '../commit.ts'
import {
  type Candidate,
  type Demand,
  type Placement,
  place,
  type Rules
} from '../placement/pipeline.ts'
import { listed } from '../refusal.ts'
import type { Moment, View } from '../view.ts'
import { strandedBy } from './promise.ts'
import { reserveOf } from './settings.ts'

/** Hosts that are tried at most for one. */
const triesMax = 8
/** Looks at others in one round of decisions, and others that are looked at: both take long. */
const looksMax = 64
const othersMax = 256

/** Gives the names of those whom changes would leave without a place; undefined: nobody looks. */
export type Others = (changes: readonly Change[]) => readonly string[] | undefined

/** All that need a place in one round of decisions. */
export function othersOf(view: View, now: Moment): Others {
  let lost: readonly string[] | undefined
  let looks = looksMax
  return changes => {
    if (looks === 0 || !reserveOf(view)) return undefined
    lost ??= missingNames(view, now.monotonic)
    const { unplaced, preempted } = view.indexes
    const coming = lost.map(name => view.indexes.of('host-instances', name).size)
    const count = coming.reduce((sum, one) => sum + one, unplaced.size + preempted.size)
    if (count <= 1 || count > othersMax) return undefined
    looks -= 1
    return strandedBy(view, { lost, changes }, now)
  }
}

/** Chooses a host; `changesOn` says what would be recorded. */
export function placeLeavingRoom(wanted: {
  readonly demand: Demand
  readonly candidates: readonly Candidate[]
  readonly rules: Rules
  readonly changesOn: (host: string) => readonly Change[]
  readonly others: Others
}): Placement {
  const { demand, candidates, rules, changesOn, others } = wanted
  const best = place(demand, candidates, rules)
  const [left, tried] = [new Set<string>(), new Set<string>()]
  let placement = best
  while (placement.chosen && tried.size < triesMax) {
    const { name } = placement.chosen
    const stranded = others(changesOn(name))
    if (!stranded) return best
    if (stranded.length === 0) {
      if (tried.size === 0) return best
      const because = `${tried.size} better left to ${listed([...left])}`
      return { ...placement, because: `${placement.because} (${because})` }
    }
    for (const one of stranded) left.add(one)
    tried.add(name)
    // To one where it has failed it goes for want of another one alone.
    const rest = candidates.filter(
      ({ host }) => !tried.has(host.name) && !demand.avoided?.has(host.name)
    )
    placement = place(demand, rest, rules)
  }
  return best
}
