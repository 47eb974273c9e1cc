/**
 * What is the least that would have to be otherwise for an instance to fit: each wish is taken away
 * by itself, and where a host is found then, that is said with its numbers.
 */
import { architectureElse, architectures } from '#shared/model/host-facts.ts'
import { inSomeCell, isHuge, isOfCells } from '../scarce.ts'
import type { Candidate, Demand, Rules } from './pipeline.ts'

/** Sentences, each with one change that is enough; none: no single one is. */
export function smallestChanges(
  demand: Demand,
  candidates: readonly Candidate[],
  { filters }: Rules
): readonly string[] {
  const fitting = (changes: Partial<Demand>): readonly Candidate[] => {
    const other = { ...demand, ...changes }
    return candidates.filter(one => filters.every(filter => filter(one, other) === undefined))
  }
  return [...roomChanges(demand, fitting), ...wishChanges(demand, fitting)]
}

type Fitting = (changes: Partial<Demand>) => readonly Candidate[]

function roomChanges(demand: Demand, fitting: Fitting): readonly string[] {
  if (!demand.running) return []
  const changes: string[] = []
  const freeMib = ({ capacity }: Candidate) =>
    capacity ? capacity.memoryMib - capacity.memoryPromisedMib : 0
  const freeVcpus = ({ capacity }: Candidate) =>
    capacity ? capacity.vcpus - capacity.vcpusPromised : 0
  const roomiest = most(fitting({ memoryMib: 0 }), freeMib)
  if (roomiest) {
    const [name, free] = [roomiest.host.name, freeMib(roomiest)]
    const own = free - (demand.overheadMib ?? 0)
    const less = own < memoryMibMin ? '' : `, or with --memory ${own}MiB`
    changes.push(`with ${demand.memoryMib - free} MiB more on ${name}${less}`)
  }
  const idlest = most(fitting({ vcpus: 0 }), freeVcpus)
  if (idlest) {
    const [name, free] = [idlest.host.name, freeVcpus(idlest)]
    const less = free < 1 ? '' : `, or with --vcpus ${free}`
    changes.push(`with ${demand.vcpus - free} vcpus more on ${name}${less}`)
  }
  return changes
}

/** Less memory no instance has. Unit: MiB. */
const memoryMibMin = 16

function most(
  candidates: readonly Candidate[],
  room: (candidate: Candidate) => number
): Candidate | undefined {
  let best: Candidate | undefined
  for (const one of candidates) if (!best || room(one) > room(best)) best = one
  return best
}

function wishChanges(demand: Demand, fitting: Fitting): readonly string[] {
  const changes: string[] = []
  const tryWithout = (words: string, changed: Partial<Demand>): void => {
    const [first, ...others] = fitting(changed)
    if (!first) return
    const more = others.length === 0 ? '' : ` and ${others.length} more`
    changes.push(`${words}: ${first.host.name}${more}`)
  }
  for (const [key, value] of Object.entries(demand.hostLabels ?? {})) {
    const { [key]: _, ...hostLabels } = demand.hostLabels!
    tryWithout(`without the label ${key}=${value}`, { hostLabels })
  }
  for (const feature of demand.cpuFeatures ?? []) {
    const cpuFeatures = demand.cpuFeatures!.filter(one => one !== feature)
    tryWithout(`without the CPU feature ${feature}`, { cpuFeatures })
  }
  for (const name of Object.keys(demand.scarce ?? {})) {
    if (isOfCells(name)) continue
    if (isHuge(name)) tryWithout('without huge pages', withoutHuge(demand, name))
    else fewer(demand, name, { fitting, changes })
  }
  const { [inSomeCell.memory]: cellMib, [inSomeCell.vcpus]: _, ...scarce } = demand.scarce ?? {}
  if (cellMib !== undefined) tryWithout('in more than one NUMA cell', { scarce })
  for (const architecture of architectures) {
    if (architecture === (demand.architecture ?? architectureElse)) continue
    tryWithout(`if it were for ${architecture}`, { architecture })
  }
  if (demand.acceleration === 'kvm') tryWithout('without KVM', { acceleration: 'any' })
  for (const { name, rule } of demand.groups ?? []) {
    if (!rule.hard) continue
    const groups = demand.groups!.filter(one => one.rule !== rule)
    tryWithout(`without group ${name} ${rule.rule} by ${rule.level}`, { groups })
  }
  return changes
}

/** In common pages, its memory is promised as that of all others. */
function withoutHuge({ memoryMib, scarce = {} }: Demand, name: string): Partial<Demand> {
  const { [name]: own = 0, ...others } = scarce
  return { memoryMib: memoryMib + own, scarce: others }
}

/** With as many devices of a sort as the best host has left, or with none. */
function fewer(
  demand: Demand,
  name: string,
  { fitting, changes }: { readonly fitting: Fitting; readonly changes: string[] }
): void {
  const { [name]: needed = 0, ...others } = demand.scarce ?? {}
  const left = ({ capacity }: Candidate): number =>
    (capacity?.scarce[name] ?? 0) - (capacity?.scarcePromised[name] ?? 0)
  const best = most(fitting({ scarce: others }), left)
  if (!best) return
  const [free, host] = [Math.max(0, left(best)), best.host.name]
  const less = free === 0 ? `without ${name}` : `with ${free} ${name} instead of ${needed}`
  changes.push(`with ${needed - free} ${name} more on ${host}, or ${less}`)
}
