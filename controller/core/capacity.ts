import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Mib } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { isResting } from './indexes.ts'
import type { View } from './view.ts'

/** What a host may give to instances, and what it has promised. */
export type Capacity = {
  readonly memoryMib: Mib
  /** To instances that should run, and to others as long as they still do. */
  readonly memoryPromisedMib: Mib
  readonly vcpus: number
  readonly vcpusPromised: number
  readonly instances: number
}

/** Undefined until the host has reported its hardware to this controller. */
export function capacityOf(view: View, host: Host): Capacity | undefined {
  const { report } = view.heard(host.name)
  const facts = report?.facts
  if (!facts) return undefined
  const promised = view.indexes.promised(host.name)
  const lingering = lingeringOn(view, host, report)
  return {
    memoryMib: Math.max(0, facts.memoryMib - host.spec.reservedMib),
    memoryPromisedMib: promised.memoryMib + lingering.memoryMib,
    vcpus: Math.floor(facts.cpu.threads * host.spec.vcpusPerThread),
    vcpusPromised: promised.vcpus + lingering.vcpus,
    instances: promised.count
  }
}

/** Whether an instance still runs, as far as its host has said, though it should not. */
export function lingers(view: View, instance: Instance): boolean {
  const { host } = instance.decided
  const report = host === undefined ? undefined : view.heard(host).report
  return isResting(instance) && report !== undefined && aliveIn(report).has(instance.id)
}

/**
 * What instances have that should no longer run, and do: an instance may take an hour to shut down,
 * and what is started in its place meanwhile would not fit.
 */
function lingeringOn(view: View, host: Host, report: Report) {
  let [memoryMib, vcpus] = [0, 0]
  const alive = aliveIn(report)
  const resting = view.indexes.of('host-resting', host.name)
  // Hosts have many of the one and few of the other, as a rule.
  const [few, many] = alive.size < resting.size ? [alive, resting] : [resting, alive]
  for (const id of few) {
    if (!many.has(id)) continue
    const instance = view.get('instance', id)
    memoryMib += instance?.decided.memoryMib ?? 0
    vcpus += instance?.decided.vcpus ?? 0
  }
  return { memoryMib, vcpus }
}

/** Worked out once for each report: a host is judged far more often than it reports. */
const living = new WeakMap<Report['instances'], ReadonlySet<string>>()

function aliveIn(report: Report): ReadonlySet<string> {
  const known = living.get(report.instances)
  if (known) return known
  const alive = report.instances.filter(({ power }) =>
    ['running', 'paused', 'stopping'].includes(power)
  )
  const ids = new Set(alive.map(({ id }) => id))
  living.set(report.instances, ids)
  return ids
}
