/**
 * What hosts use, as dimensions of a balance beside what they have promised. They are there where
 * operators have given the scores of the same name a weight, and only while all hosts in service
 * say what they use: half a picture would be levelled towards those that say nothing. Which hosts
 * keep one out is told.
 */
import type { Host } from '#shared/model/host.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Dimension } from '../engine/problem.ts'
import type { InstanceUse, MeasuredUse } from '../measured-use.ts'
import { type Weights, weightsOf } from '../placement/weights.ts'
import { listed } from '../refusal.ts'
import type { Moment, View } from '../view.ts'

/** Weights of scores are set so that memory has this one; here it has 1. */
const memoryWeight = 100

type Sort = {
  readonly name: 'cpuMeasured' | 'networkMeasured'
  /** What a host can give; undefined: that is not known. */
  readonly capacityOf: (facts: HostFacts) => number | undefined
  /** What is said of hosts of which it is not. */
  readonly unknown: string
  readonly shareOf: (use: MeasuredUse) => number | undefined
  readonly amountOf: (use: InstanceUse) => number
}

const sorts: readonly Sort[] = [
  {
    name: 'cpuMeasured',
    capacityOf: ({ cpu }) => cpu.threads || undefined,
    unknown: 'how many threads there are is not known of',
    shareOf: ({ cpu }) => cpu,
    amountOf: ({ cpu }) => cpu
  },
  {
    name: 'networkMeasured',
    capacityOf: lineMbitOf,
    unknown: 'no line that is up says its speed on',
    shareOf: ({ network }) => network,
    amountOf: ({ networkMbit }) => networkMbit
  }
]

/** The speed of a host's fastest line that is up; undefined: none says it. Unit: Mbit/s. */
export function lineMbitOf({ nics }: Pick<HostFacts, 'nics'>): number | undefined {
  const speeds = nics.flatMap(({ up, speedMbit }) => (up && speedMbit ? [speedMbit] : []))
  return speeds.length === 0 ? undefined : Math.max(...speeds)
}

/** A dimension that has a weight and does not count, and why. */
export type Unmeasured = { readonly name: Sort['name']; readonly because: string }

/** The dimensions that count, and those that hosts keep out. */
export function measuredDimensions(
  view: View,
  seated: {
    readonly hosts: readonly Host[]
    readonly instances: readonly Instance[]
    readonly first: readonly number[]
  },
  now: Moment
): { readonly dimensions: readonly Dimension[]; readonly unmeasured: readonly Unmeasured[] } {
  const weights: Weights = weightsOf(view)
  const dimensions: Dimension[] = []
  const unmeasured: Unmeasured[] = []
  for (const sort of sorts) {
    if (weights[sort.name] <= 0 || seated.hosts.length === 0) continue
    const found = measured(view, { ...seated, sort }, now)
    if ('because' in found) unmeasured.push(found)
    else dimensions.push({ ...found, weight: weights[sort.name] / memoryWeight })
  }
  return { dimensions, unmeasured }
}

function measured(
  view: View,
  given: Parameters<typeof measuredDimensions>[1] & { readonly sort: Sort },
  now: Moment
): Dimension | Unmeasured {
  const { hosts, instances, first, sort } = given
  const capacity: number[] = []
  const used: number[] = []
  const [silent, unknown]: [string[], string[]] = [[], []]
  for (const { name } of hosts) {
    const facts = view.heard(name).report?.facts
    const use = view.uses.of(name, now.monotonic)
    const [can, share] = [facts && sort.capacityOf(facts), use && sort.shareOf(use)]
    if (can === undefined) unknown.push(name)
    else if (share === undefined) silent.push(name)
    else {
      capacity.push(can)
      used.push(can * share)
    }
  }
  if (capacity.length < hosts.length) {
    const parts = [
      ...(unknown.length > 0 ? [`${sort.unknown} ${listed(unknown)}`] : []),
      ...(silent.length > 0 ? [`what is used is not said by ${listed(silent)}`] : [])
    ]
    return { name: sort.name, because: parts.join('; ') }
  }
  const amount = instances.map(({ id }, demand) => {
    const use = view.uses.of(hosts[first[demand]!]!.name, now.monotonic)?.instances.get(id)
    return use ? sort.amountOf(use) : 0
  })
  for (const [demand, host] of first.entries()) used[host]! -= amount[demand]!
  return {
    ...{ name: sort.name, weight: 1, both: false, hard: false, capacity, amount },
    // What instances use by themselves and what their host does are not found at one moment.
    taken: used.map(rest => Math.max(0, rest)),
    limit: capacity.map(() => Number.MAX_SAFE_INTEGER)
  }
}
