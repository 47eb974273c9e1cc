/**
 * The promise of the reserve, worked out from scratch: each loss is planned with placement itself,
 * and nothing is remembered. It is slow and plain, and what the quick one must agree with.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { demandOf } from '../../../../controller/core/admission/instance-place.ts'
import type { Change } from '../../../../controller/core/commit.ts'
import { whyItStays } from '../../../../controller/core/evacuation.ts'
import { candidatesOf } from '../../../../controller/core/placement/candidates.ts'
import { filterGroups } from '../../../../controller/core/placement/filter-groups.ts'
import {
  type Candidate,
  type Filter,
  place
} from '../../../../controller/core/placement/pipeline.ts'
import { rules } from '../../../../controller/core/placement/rules.ts'
import type { Reserve } from '../../../../controller/core/reserve/settings.ts'
import type { Moment, View } from '../../../../controller/core/view.ts'

/** Ids of who is stranded, by the names of the hosts that are lost. */
export type Losses = ReadonlyMap<string, ReadonlySet<string>>

/** The key of a loss. */
export const lossOf = (lost: readonly string[]): string => [...lost].sort().join(' ')

/** Plans every loss that a reserve speaks of. */
export function lossesOf(view: View, reserve: Reserve, now: Moment): Losses {
  const losses = new Map<string, ReadonlySet<string>>()
  const names = [...view.all('host').values()].map(({ name }) => name)
  const see = (lost: readonly string[]) => {
    losses.set(lossOf(lost), strandedBy(view, lost, now))
  }
  see([])
  for (const lost of subsetsOf(names, reserve.hosts)) see(lost)
  if (reserve.domain === undefined) return losses
  for (const { labels } of view.all('host').values()) {
    const value = labels[reserve.domain]
    if (value === undefined) continue
    const all = [...view.all('host').values()].filter(one => one.labels[reserve.domain!] === value)
    see(all.map(({ name }) => name))
  }
  return losses
}

/** All subsets of one to so many. */
function subsetsOf(names: readonly string[], most: number): readonly (readonly string[])[] {
  if (most === 0) return []
  return names.flatMap((name, at) => [
    [name],
    ...subsetsOf(names.slice(at + 1), most - 1).map(rest => [name, ...rest])
  ])
}

const strandedBy = (view: View, lost: readonly string[], now: Moment): ReadonlySet<string> =>
  plannedBy(view, { lost, leaves: one => isEvacuated(view, one, lost) }, now).stranded

type Going = {
  readonly lost: readonly string[]
  /** Whether it leaves these hosts. */
  readonly leaves: (instance: Instance) => boolean
}

function plannedBy(view: View, { lost, leaves }: Going, now: Moment) {
  let candidates = candidatesOf(view, now.monotonic).filter(({ host }) => !lost.includes(host.name))
  const stranded = new Set<string>()
  const leaving = leavingFrom(view, leaves)
  const places = placesOf(view, leaves)
  for (const instance of leaving) {
    const isFree = leaves(instance) || whyItStays(view, instance) === undefined
    const isLost = instance.decided.host !== undefined && isFree
    const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
    const demand = demandOf(view, { instance, volumes: isLost ? volumes.map(unbound) : volumes })
    const others = rules.filters.filter(filter => filter !== filterGroups)
    const apart: Filter = ({ host }) => keptAway(view, { instance, places, lost }, host)
    const { chosen } = place(demand, candidates, { ...rules, filters: [...others, apart] })
    if (!chosen) stranded.add(instance.id)
    else places.set(instance.id, [chosen.name])
    candidates = candidates.map(one => (one.host === chosen ? filled(one, demand) : one))
  }
  return { stranded, places, leaving }
}

/** What would be recorded once all have left who are to leave hosts that are emptied. */
function leavingBy(view: View, now: Moment): readonly Change[] {
  const emptied = [...view.all('host').values()].filter(
    ({ decided }) => decided.duty?.state === 'draining'
  )
  const leaves = (instance: Instance): boolean => {
    const { spec, decided } = instance
    const host = emptied.find(({ name }) => name === decided.host)
    if (!host || decided.moving || decided.deletedAt !== undefined) return false
    const asIfWished = { ...instance, spec: { ...spec, highlyAvailable: true } }
    if (whyItStays(view, asIfWished) !== undefined) return false
    const rests = spec.desiredPower === 'stopped' || decided.preempted !== undefined
    return rests || spec.type === 'vm' || host.decided.duty!.cold
  }
  const lost = emptied.map(({ name }) => name)
  const { leaving, places } = plannedBy(view, { lost, leaves }, now)
  return leaving.filter(leaves).flatMap((instance): readonly Change[] => {
    const [host] = places.get(instance.id) ?? []
    if (host === undefined || host === instance.decided.host) return []
    const { preempted: _, ...decided } = instance.decided
    return [{ op: 'put', resource: { ...instance, decided: { ...decided, host } } }]
  })
}

/** Where everybody is once those who leave lost hosts have left; who has yielded is still there. */
function placesOf(view: View, leaves: Going['leaves']): Map<string, readonly string[]> {
  const places = new Map<string, readonly string[]>()
  for (const instance of view.all('instance').values()) {
    const { host, moving } = instance.decided
    const all = [host, moving?.to].filter(one => one !== undefined)
    places.set(instance.id, leaves(instance) ? [] : all)
  }
  return places
}

function isEvacuated(view: View, instance: Instance, lost: readonly string[]): boolean {
  const { host, moving } = instance.decided
  if (host === undefined) return false
  const isOn = lost.includes(host) || (moving !== undefined && lost.includes(moving.to))
  return isOn && whyItStays(view, instance) === undefined
}

/** Asks each member of its groups for its rules, and where it is. */
function keptAway(
  view: View,
  given: {
    readonly instance: Instance
    readonly places: ReadonlyMap<string, readonly string[]>
    readonly lost: readonly string[]
  },
  host: Host
): string | undefined {
  const { instance, places, lost } = given
  const names = new Set(instance.spec.affinity?.map(({ group }) => group))
  for (const name of names) {
    const members = [...view.all('instance').values()].filter(
      one =>
        one.tenant === instance.tenant && one.spec.affinity?.some(({ group }) => group === name)
    )
    const rules = members.flatMap(one => one.spec.affinity ?? [])
    for (const { group, rule, level, hard, max } of rules) {
      if (group !== name || !hard) continue
      const domainOf = (one: Host) => (level === 'host' ? one.name : one.labels[level])
      const here = domainOf(host)
      if (here === undefined) return 'no such label'
      const hosts = members
        .filter(({ id }) => id !== instance.id)
        .flatMap(({ id }) => places.get(id) ?? [])
        .map(one => view.named('host', one)!)
      if (rule === 'apart') {
        if (hosts.filter(one => domainOf(one) === here).length >= max) return 'too many'
        continue
      }
      const staying = hosts.filter(
        one => !one.decided.duty && !one.decided.recovery && !lost.includes(one.name)
      )
      const domains = staying.map(domainOf).filter(one => one !== undefined)
      if (domains.some(one => one !== here)) return 'others are elsewhere'
    }
  }
  return undefined
}

function leavingFrom(view: View, leaves: Going['leaves']): readonly Instance[] {
  return [...view.all('instance').values()]
    .filter(instance => {
      const { host, deletedAt, preempted } = instance.decided
      if (host === undefined || preempted) return deletedAt === undefined
      return leaves(instance)
    })
    .sort((a, b) => b.spec.priority - a.spec.priority || (a.id < b.id ? -1 : 1))
}

const unbound = (volume: Volume): Volume => {
  const { host: _, ...decided } = volume.decided
  return { ...volume, decided }
}

function filled(candidate: Candidate, demand: ReturnType<typeof demandOf>): Candidate {
  const { capacity, orderBytes } = candidate
  const { running, memoryMib, vcpus } = demand
  return {
    ...candidate,
    orderBytes: orderBytes + demand.orderBytes,
    ...(capacity && {
      capacity: {
        ...capacity,
        memoryPromisedMib: capacity.memoryPromisedMib + (running ? memoryMib : 0),
        vcpusPromised: capacity.vcpusPromised + (running ? vcpus : 0)
      }
    })
  }
}

/**
 * Whom changes would strand in a loss that does not strand them without, by loss; none: empty. Who
 * waits in vain without any loss is left out. If it is nobody as things are, it is told of them as
 * they will be once hosts are empty that are being emptied.
 */
export function harmBy(
  view: View,
  tried: { readonly reserve: Reserve; readonly changes: readonly Change[] },
  now: Moment
): Losses {
  const { reserve, changes } = tried
  const losses = () => lossesOf(view, reserve, now)
  const atOnce = worseBy(losses(), after(view, changes, losses))
  if (atOnce.size > 0) return atOnce
  const later = () => after(view, leavingBy(view, now), losses)
  return worseBy(later(), after(view, changes, later))
}

/** What is said of the view with some changes. */
function after<T>(view: View, changes: readonly Change[], says: () => T): T {
  const commit = { changes, decisions: [] }
  const undo = view.fold({ type: 'commit', position: view.position + 1, commit })!
  const said = says()
  view.unfold([undo])
  return said
}

function worseBy(before: Losses, after: Losses): Losses {
  const harm = new Map<string, ReadonlySet<string>>()
  for (const [loss, stranded] of after) {
    const more = [...stranded].filter(
      id => before.get(loss)?.has(id) !== true && before.get('')?.has(id) !== true
    )
    if (more.length > 0) harm.set(loss, new Set(more))
  }
  return harm
}
