/** How every host stands to an instance: what each comes to, and why others cannot take it. */
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { demandOf } from '../admission/instance-place.ts'
import type { Moment, View } from '../view.ts'
import { candidatesOf } from './candidates.ts'
import { type Candidate, type Demand, refusals } from './pipeline.ts'
import { rules } from './rules.ts'
import { type Contribution, contributionsOf, totalOf } from './scores.ts'
import { smallestChanges } from './smallest-change.ts'
import { weightsOf } from './weights.ts'

/** One host that is or could be the one, and what it comes to. */
export type ScoredHost = {
  readonly host: string
  readonly score: number
  readonly parts: readonly Contribution[]
}

/** All hosts, as a new instance with the same wish would find them. */
export type Explained = {
  /** The host where it is, and those that could take it; the best of these first. */
  readonly scored: readonly ScoredHost[]
  readonly rejected: readonly { readonly host: string; readonly because: string }[]
  /** Where no host can take it: single changes that would be enough. */
  readonly changes: readonly string[]
}

/** Hosts that are told at most of each sort, so that no answer is long. */
const hostsMax = 1_000

/** Explains where an instance is, or could be. Its own share of its host is not taken off there. */
export function explainPlacement(view: View, instance: Instance, now: Moment): Explained {
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const demand = demandOf(view, { instance, volumes: volumes.map(one => freed(view, one)) })
  const here = instance.decided.host
  const candidates = candidatesOf(view, now.monotonic)
  const weights = weightsOf(view)
  const scored: ScoredHost[] = []
  const rejected = new Map<string, string>()
  for (const candidate of candidates) {
    const { name } = candidate.host
    const because = name === here ? undefined : firstReason(candidate, demand)
    if (because !== undefined) {
      rejected.set(name, because)
      continue
    }
    const parts = contributionsOf(candidate, demand, weights)
    scored.push({ host: name, score: totalOf(parts), parts })
  }
  scored.sort(
    (a, b) =>
      Number(b.host === here) - Number(a.host === here) ||
      b.score - a.score ||
      (a.host < b.host ? -1 : 1)
  )
  return {
    scored: scored.slice(0, hostsMax),
    rejected: refusals(rejected).slice(0, hostsMax),
    changes: scored.length > 0 ? [] : smallestChanges(demand, candidates, rules)
  }
}

function firstReason(candidate: Candidate, demand: Demand): string | undefined {
  for (const filter of rules.filters) {
    const reason = filter(candidate, demand)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** A volume that other hosts see binds nobody to the host that has it now. */
function freed(view: View, volume: Volume): Volume {
  if (view.named('pool', volume.spec.pool)?.spec.shared !== true) return volume
  const { host: _, ...decided } = volume.decided
  return { ...volume, decided }
}
