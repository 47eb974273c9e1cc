/** Placement under the reserve: the best host that keeps the promise, not just the best one. */
import type { Change } from '../commit.ts'
import {
  type Candidate,
  type Demand,
  type Placement,
  place,
  type Rules
} from '../placement/pipeline.ts'
import type { Moment, View } from '../view.ts'
import { type Harm, harmNow, harmOf } from './promise.ts'
import { reserveOf } from './settings.ts'

/** Hosts that are tried at most for one wish: those that placement likes best. */
export const triesMax = 32
/** The same for one that leaves a host: all that do are judged again in each turn. */
const leavingTriesMax = 4

/** Losses that are planned at most for all of them together. */
const plansMax = 20_000

/** A placement, and what the reserve had against the hosts that would have been better. */
export type Kept = {
  readonly placement: Placement
  /** What speaks against the best host; undefined: nothing, or no host has room anyway. */
  readonly harm: Harm | undefined
  /** Losses that were planned to find out. */
  readonly plans: number
}

/**
 * Chooses a host, of those that can take it, on which the promise is kept. `changesOn` says what
 * would be recorded. One that leaves a host which is emptied is judged as things are, at few hosts.
 */
export function placeKeeping(
  view: View,
  wanted: {
    readonly demand: Demand
    readonly candidates: readonly Candidate[]
    readonly rules: Rules
    readonly changesOn: (host: string) => readonly Change[]
    readonly isLeaving?: boolean
  },
  now: Moment
): Kept {
  const { demand, candidates, rules, changesOn, isLeaving = false } = wanted
  const best = place(demand, candidates, rules)
  if (!best.chosen || !reserveOf(view)) return { placement: best, harm: undefined, plans: 0 }
  const [judge, most] = isLeaving ? [harmNow, leavingTriesMax] : [harmOf, triesMax]
  const rejected = new Map<string, string>()
  let harm: Harm | undefined
  let placement = best
  let rest = candidates
  let plans = 0
  for (let tries = 0; tries < most && placement.chosen; tries += 1) {
    const { name } = placement.chosen
    const found = judge(view, changesOn(name), now)
    if (!found) return { placement: merged(placement, rejected), harm, plans }
    harm ??= found
    plans += found.plans
    rejected.set(name, 'the room that is kept for losses of hosts would be gone')
    if (plans > plansMax) break
    rest = rest.filter(({ host }) => host.name !== name)
    placement = place(demand, rest, rules)
  }
  const tried = rejected.size === 1 ? 'the best host' : `the ${rejected.size} best hosts`
  const because = placement.chosen
    ? `${tried} can take it, but not keep the reserve`
    : `none of ${candidates.length} hosts can take it and keep the reserve`
  return { placement: merged({ ...placement, chosen: undefined, because }, rejected), harm, plans }
}

function merged(placement: Placement, rejected: ReadonlyMap<string, string>): Placement {
  if (rejected.size === 0) return placement
  const those = ` (${rejected.size} better refused for the reserve)`
  const because = placement.chosen ? `${placement.because}${those}` : placement.because
  return { ...placement, because, rejected: new Map([...rejected, ...placement.rejected]) }
}
