/**
 * What is the least that would have to be otherwise for an instance to fit: each wish is taken away
 * by itself, and where a host is found then, that is said with its numbers.
 */
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
    const less = free < memoryMibMin ? '' : `, or with --memory ${free}MiB`
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
  if (demand.acceleration === 'kvm') tryWithout('without KVM', { acceleration: 'any' })
  for (const { name, rule } of demand.groups ?? []) {
    if (!rule.hard) continue
    const groups = demand.groups!.filter(one => one.rule !== rule)
    tryWithout(`without group ${name} ${rule.rule} by ${rule.level}`, { groups })
  }
  return changes
}
