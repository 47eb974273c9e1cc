/** How many instances of one shape would be spread over the hosts; nothing is done. */
import type { Instance } from '#shared/model/instance.ts'
import { heldMib, overheadIn } from '../overhead.ts'
import { noUse, roomInQuota } from '../quota.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { devicesWished, noScarce, scarceOf, scarceSum } from '../scarce.ts'
import type { Moment, View } from '../view.ts'
import { candidatesOf } from './candidates.ts'
import { type Candidate, type Demand, place, refusals } from './pipeline.ts'
import { rules, weighedRules } from './rules.ts'
import { smallestChanges } from './smallest-change.ts'
import { weightsOf } from './weights.ts'

/** What is to be spread. */
export type SpreadWish = Pick<
  Demand,
  | 'type'
  | 'memoryMib'
  | 'vcpus'
  | 'hostLabels'
  | 'cpuFeatures'
  | 'architecture'
  | 'acceleration'
  | 'tenant'
> & {
  readonly hugePages?: Instance['decided']['hugePages']
  readonly devices?: Instance['decided']['devices']
  readonly numa?: Instance['spec']['numa']
  readonly count: number
  readonly pool: string
}

/** Where they would be. */
export type SpreadPlan = {
  readonly placed: number
  readonly hosts: readonly { readonly host: string; readonly count: number }[]
  /** Why the first that finds no place finds none; empty: all do. */
  readonly rejected: readonly { readonly host: string; readonly because: string }[]
  readonly changes: readonly string[]
}

/** Most instances that are spread at once, and most looks at hosts for it. */
export const spreadMax = 1_000
const looksMax = 2_000_000

/** What an instance takes up of an order without long texts, one volume, one port. */
const plainBytes = 2_048

/** Places one after the other, each on what those before it have left. */
export function spreadPlan(view: View, wish: SpreadWish, now: Moment): SpreadPlan | Refusal {
  const { count, pool, hugePages, devices: wished, numa, ...shape } = wish
  const devices = devicesWished(wished)
  const candidates = [...candidatesOf(view, now.monotonic)]
  if (count * candidates.length > looksMax) {
    const most = Math.floor(looksMax / candidates.length)
    return refuse('invalid', `cannot plan ${count} instances on ${candidates.length} hosts`, {
      pointer: '/count',
      next: [`ask for at most ${most} at once`]
    })
  }
  const overheadMib = overheadIn(view, shape.type, shape)
  const { memoryMib } = shape
  const decided = {
    ...{ memoryMib, overheadMib, vcpus: shape.vcpus, numaFit: numa === 'fit' },
    ...(hugePages && { hugePages }),
    ...(devices && { devices })
  }
  const scarce = scarceOf(decided)
  const demand: Demand = {
    ...shape,
    memoryMib: heldMib(decided),
    overheadMib,
    ...(scarce !== noScarce && { scarce }),
    name: 'new',
    pools: new Map([[pool, 0]]),
    bonds: [],
    orderBytes: plainBytes,
    running: true
  }
  const weighed = weighedRules(weightsOf(view))
  const numbers = new Map(candidates.map(({ host }, at) => [host.name, at]))
  const counts = new Map<string, number>()
  const each = { ...noUse, instances: 1, memoryMib, vcpus: shape.vcpus }
  const allowed = roomInQuota(view, shape.tenant, each)
  for (let placed = 0; placed < count; placed += 1) {
    if (allowed && placed >= allowed.count) {
      const changes = [`with more quota for tenant ${shape.tenant}: ${allowed.because}`]
      return { placed, hosts: listed(counts), rejected: [], changes }
    }
    const { chosen, rejected } = place(demand, candidates, weighed)
    if (!chosen) {
      const reasons = refusals(rejected)
      const changes = smallestChanges(demand, candidates, rules)
      return { placed, hosts: listed(counts), rejected: reasons, changes }
    }
    counts.set(chosen.name, (counts.get(chosen.name) ?? 0) + 1)
    const at = numbers.get(chosen.name)!
    candidates[at] = filled(candidates[at]!, demand)
  }
  return { placed: count, hosts: listed(counts), rejected: [], changes: [] }
}

const listed = (counts: ReadonlyMap<string, number>): SpreadPlan['hosts'] =>
  [...counts].map(([host, count]) => ({ host, count })).sort((a, b) => (a.host < b.host ? -1 : 1))

function filled(
  candidate: Candidate,
  { memoryMib, vcpus, scarce = noScarce, orderBytes }: Demand
): Candidate {
  const { capacity } = candidate
  return {
    ...candidate,
    orderBytes: candidate.orderBytes + orderBytes,
    capacity: capacity && {
      ...capacity,
      memoryPromisedMib: capacity.memoryPromisedMib + memoryMib,
      vcpusPromised: capacity.vcpusPromised + vcpus,
      scarcePromised: scarceSum(capacity.scarcePromised, scarce)
    }
  }
}
