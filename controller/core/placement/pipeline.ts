/**
 * Placement is a pipeline: filters take hosts away, each with its reason, and a score orders those
 * that are left. The verdict keeps every reason, so that `remuda why` can say it.
 */
import type { Host } from '#shared/model/host.ts'
import type { Architecture, HostFacts } from '#shared/model/host-facts.ts'
import type { Mib } from '#shared/units.ts'
import type { Capacity } from '../capacity.ts'
import type { HostPhase } from '../liveness.ts'
import type { MeasuredUse } from '../measured-use.ts'
import type { Scarce } from '../scarce.ts'
import type { AskedGroup } from './asked-groups.ts'

/** One host as placement sees it. */
export type Candidate = {
  readonly host: Host
  readonly phase: HostPhase
  readonly capacity: Capacity | undefined
  readonly drivers: readonly ('qemu' | 'lxc')[]
  /** Free room by the name of the pool. */
  readonly poolFreeMib: ReadonlyMap<string, Mib>
  /** Share of each pool that is free, by its name. */
  readonly poolShares: ReadonlyMap<string, number>
  /** Memory that nothing on it uses, as measured. */
  readonly memoryFreeMib: Mib
  /** What it was found to use lately; undefined: that is not known. */
  readonly use: MeasuredUse | undefined
  /** Ids of the images that it has. */
  readonly images: ReadonlySet<string>
  /** Why pools cannot be used, by their names. */
  readonly poolFaults: ReadonlyMap<string, string>
  /** Why networks cannot be built there, by their ids. */
  readonly networkFaults: ReadonlyMap<string, string>
  /** Its hardware; undefined: not reported yet. */
  readonly facts: HostFacts | undefined
  /** What its instances take up of its order. Unit: bytes. */
  readonly orderBytes: number
}

/** What is to be placed. */
export type Demand = {
  readonly name: string
  readonly type: 'vm' | 'container'
  /** All that it takes of its host's memory. */
  readonly memoryMib: Mib
  /** What of that is not its own, but what its host needs for it; left out: nothing. */
  readonly overheadMib?: Mib
  readonly vcpus: number
  /** What it takes of what few hosts have; left out: nothing. */
  readonly scarce?: Scarce
  /** Names of the pools that it needs, with how much of each must be free at the start. */
  readonly pools: ReadonlyMap<string, Mib>
  /** Names of hosts that it is bound to, and why; with two different ones none can take it. */
  readonly bonds: readonly { readonly host: string; readonly because: string }[]
  /** What it would take up of the order. Unit: bytes. */
  readonly orderBytes: number
  /** Whose it is; left out: nobody's. */
  readonly tenant?: string
  /** Labels that its host must have. */
  readonly hostLabels?: Readonly<Record<string, string>>
  /** Features that the processor must have, as Linux names them. */
  readonly cpuFeatures?: readonly string[]
  /** What the processors of its host must be; left out: what is usual. */
  readonly architecture?: Architecture
  /** `kvm`: it is not to be emulated. */
  readonly acceleration?: 'any' | 'kvm'
  /** Ids of the images that its volumes are made from. */
  readonly imageIds?: readonly string[]
  /** Names of its networks by their ids. */
  readonly networks?: ReadonlyMap<string, string>
  /** Rules of its groups; left out: it is in none. */
  readonly groups?: readonly AskedGroup[]
  /** Whether it needs memory and processors now; a stopped one does not. */
  readonly running: boolean
  /** Hosts that are taken only where no other one can take it, by name, and why. */
  readonly avoided?: ReadonlyMap<string, string>
}

/** Says why a host cannot take the instance, or undefined when it can. */
export type Filter = (candidate: Candidate, demand: Demand) => string | undefined
/** The higher the better. */
export type Score = (candidate: Candidate, demand: Demand) => number
/**
 * A host must pass all filters, and the first that refuses it gives the reason; the score orders
 * the rest.
 */
export type Rules = {
  readonly filters: readonly Filter[]
  readonly score: Score
  /** Says why a host is the best; left out: it has the most free memory. */
  readonly because?: (candidate: Candidate, demand: Demand) => string
}

/** Where it would go and why; for each host that was refused, the first reason. */
export type Placement = {
  readonly chosen: Host | undefined
  /** Reason by name of the host. */
  readonly rejected: ReadonlyMap<string, string>
  /** Why the chosen one. */
  readonly because: string
}

/**
 * Chooses among the candidates; of two with one score the first by name, so that chance has no
 * part. One that is avoided is better than none.
 */
export function place(demand: Demand, candidates: readonly Candidate[], rules: Rules): Placement {
  const { avoided, ...rest } = demand
  if (!avoided || avoided.size === 0) return placeAmong(demand, candidates, rules)
  const first = placeAmong(demand, candidates, rules)
  if (first.chosen) return first
  const second = placeAmong(rest, candidates, rules)
  if (!second.chosen) return second
  const { because, chosen } = second
  return {
    ...second,
    because: `${because}; no other can take it, although ${avoided.get(chosen.name)}`
  }
}

function placeAmong(demand: Demand, candidates: readonly Candidate[], rules: Rules): Placement {
  const rejected = new Map<string, string>()
  let best: { readonly candidate: Candidate; readonly score: number } | undefined
  for (const candidate of candidates) {
    const reason = firstReason(candidate, demand, rules.filters)
    if (reason !== undefined) {
      rejected.set(candidate.host.name, reason)
      continue
    }
    const score = rules.score(candidate, demand)
    if (!best || score > best.score || (score === best.score && before(candidate, best.candidate)))
      best = { candidate, score }
  }
  const { host: chosen } = best?.candidate ?? {}
  const why = best && rules.because?.(best.candidate, demand)
  return { chosen, rejected, because: sentence(best?.candidate, rejected, why) }
}

/** Why each host was refused, as people count hosts: h2 before h10. For whoever asked, once. */
export const refusals = (
  rejected: ReadonlyMap<string, string>
): readonly { readonly host: string; readonly because: string }[] =>
  [...rejected]
    .map(([host, because]) => ({ host, because }))
    .sort((a, b) => byNumber.compare(a.host, b.host) || (a.host < b.host ? -1 : 1))

/** Made once: to make one for each comparison takes a hundred times as long. */
const byNumber = new Intl.Collator('en', { numeric: true })

/** The same as sentences, in whatever order hosts were asked: turns make many of them. */
export const refusalSentences = (rejected: ReadonlyMap<string, string>): readonly string[] =>
  Array.from(rejected, ([host, because]) => `${host}: ${because}`)

/** The same for whoever asked. */
export const sortedSentences = (rejected: ReadonlyMap<string, string>): readonly string[] =>
  refusals(rejected).map(({ host, because }) => `${host}: ${because}`)

const before = (a: Candidate, b: Candidate): boolean => a.host.name < b.host.name

function sentence(
  chosen: Candidate | undefined,
  rejected: ReadonlyMap<string, string>,
  why = 'the most free memory'
): string {
  if (!chosen) {
    return rejected.size === 0
      ? 'there is no host yet'
      : `none of ${rejected.size} host${rejected.size === 1 ? '' : 's'} can take it`
  }
  const { capacity } = chosen
  const room = capacity
    ? `${capacity.memoryMib - capacity.memoryPromisedMib} of ${capacity.memoryMib} MiB unpromised`
    : 'its room is not known yet'
  const others = rejected.size === 0 ? '' : `; ${rejected.size} other refused`
  return `${chosen.host.name} has ${why} (${room})${others}`
}

function firstReason(candidate: Candidate, demand: Demand, filters: readonly Filter[]) {
  for (const filter of filters) {
    const reason = filter(candidate, demand)
    if (reason !== undefined) return reason
  }
  return undefined
}
