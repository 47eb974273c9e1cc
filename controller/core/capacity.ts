import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Mib } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { countsOn, isResting } from './indexes.ts'
import { heldMib } from './overhead.ts'
import {
  inCell,
  inSomeCell,
  isOfCells,
  noScarce,
  type Scarce,
  scarceOf,
  scarceSum,
  setAsideOn
} from './scarce.ts'
import type { View } from './view.ts'

/** What a host may give to instances, and what it has promised. */
export type Capacity = {
  readonly memoryMib: Mib
  /** To instances that should run, and to others as long as they still do. */
  readonly memoryPromisedMib: Mib
  readonly vcpus: number
  readonly vcpusPromised: number
  readonly instances: number
  /** What few hosts have, in all and promised; see scarce.ts. */
  readonly scarce: Scarce
  readonly scarcePromised: Scarce
}

/** Undefined until the host has reported its hardware to this controller. */
export function capacityOf(view: View, host: Host): Capacity | undefined {
  const { report } = view.heard(host.name)
  const facts = report?.facts
  if (!facts) return undefined
  const promised = view.indexes.promised(host.name)
  const aside = setAsideOn(facts)
  const lingering = lingeringOn(view, host, report)
  return {
    memoryMib: Math.max(0, facts.memoryMib - aside.memoryMib - host.spec.reservedMib),
    memoryPromisedMib: promised.memoryMib + lingering.memoryMib,
    vcpus: Math.floor(facts.cpu.threads * host.spec.vcpusPerThread),
    vcpusPromised: promised.vcpus + lingering.vcpus,
    instances: promised.count,
    scarce: aside.scarce,
    scarcePromised: seated(view, host, scarceSum(promised.scarce, lingering.scarce))
  }
}

/** Who is known to be in a certain NUMA cell takes nothing of the others. */
function seated(view: View, { name }: Host, promised: Scarce): Scarce {
  const { report } = view.heard(name)
  if (promised[inSomeCell.memory] === undefined) return promised
  const sum: Record<string, number> = { ...promised }
  const add = (name: string, amount: number): void => {
    sum[name] = (sum[name] ?? 0) + amount
  }
  for (const { id, cell } of report?.instances ?? []) {
    const instance = cell === undefined ? undefined : view.get('instance', id)
    if (cell === undefined || !instance?.decided.numaFit) continue
    const { host, moving } = instance.decided
    const isThere = host === name && lingers(view, instance)
    if (host !== name && moving?.to !== name) continue
    if (!isThere && !countsOn(name, instance)) continue
    const asked = scarceOf(instance.decided)
    const names = inCell(cell)
    for (const part of ['memory', 'vcpus'] as const) {
      add(inSomeCell[part], -asked[inSomeCell[part]]!)
      add(names[part], asked[inSomeCell[part]]!)
    }
  }
  return sum
}

/** What those ask of a cell that count on a host and are in none that is known; largest first. */
export function unseatedOn(view: View, name: string): readonly Scarce[] {
  const said = view.heard(name).report?.instances ?? []
  const known = new Set(said.flatMap(({ id, cell }) => (cell === undefined ? [] : [id])))
  const ids = ['host-instances', 'host-arrivals'] as const
  return [...new Set(ids.flatMap(relation => [...view.indexes.of(relation, name)]))]
    .flatMap(id => view.get('instance', id) ?? [])
    .filter(({ id, decided }) => decided.numaFit && !known.has(id))
    .filter(one => countsOn(name, one) || (one.decided.host === name && lingers(view, one)))
    .map(({ decided }) => onlyCells(scarceOf(decided)))
    .sort((a, b) => (b[inSomeCell.memory] ?? 0) - (a[inSomeCell.memory] ?? 0))
}

const onlyCells = (asked: Scarce): Scarce =>
  Object.fromEntries(Object.entries(asked).filter(([name]) => isOfCells(name)))

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
  let scarce = noScarce
  const alive = aliveIn(report)
  const resting = view.indexes.of('host-resting', host.name)
  // Hosts have many of the one and few of the other, as a rule.
  const [few, many] = alive.size < resting.size ? [alive, resting] : [resting, alive]
  for (const id of few) {
    if (!many.has(id)) continue
    const instance = view.get('instance', id)
    memoryMib += instance ? heldMib(instance.decided) : 0
    vcpus += instance?.decided.vcpus ?? 0
    if (instance) scarce = scarceSum(scarce, scarceOf(instance.decided))
  }
  return { memoryMib, vcpus, scarce }
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
