/**
 * Members of a group that is kept together leave a host one after the other, and the first of them
 * decides for all: where it is, the others have to go. So it goes only where there is room for all
 * that leave with it; where there is room for some alone, none of them goes, as a group that is
 * torn apart stays so. They leave next to each other, lest whoever comes between them takes their
 * room.
 */
import type { Instance } from '#shared/model/instance.ts'
import { type About, demandOfMove, rulesOfMove } from './admission/instance-move.ts'
import { domainOf, groupKeysOf, groupName } from './groups.ts'
import { isAnchor } from './placement/asked-groups.ts'
import { type Candidate, type Demand, type Filter, place } from './placement/pipeline.ts'
import { noScarce, scarceSum } from './scarce.ts'
import type { View } from './view.ts'

/** A group whose members have to be in one domain of a level. */
export type Bond = { readonly key: string; readonly level: string }
/** The domain that was chosen for a group, by its key and the level. */
export type Joint = Map<string, string>

/** The groups with which an instance has to stay. */
export const bondsOf = (view: View, instance: Instance): readonly Bond[] =>
  groupKeysOf(instance).flatMap(key => {
    const rules = [...(view.indexes.groups.of(key)?.rules.values() ?? [])]
    const hard = rules.filter(({ rule }) => rule.hard && rule.rule === 'with')
    return hard.map(({ rule: { level } }) => ({ key, level }))
  })

/** The candidates with so much less room on one of them. */
export const taken = (
  candidates: readonly Candidate[],
  host: string,
  { memoryMib, vcpus, scarce = noScarce, orderBytes, running }: Demand
): readonly Candidate[] =>
  candidates.map(candidate => {
    if (candidate.host.name !== host) return candidate
    const { capacity } = candidate
    const left = capacity && {
      ...capacity,
      memoryPromisedMib: capacity.memoryPromisedMib + (running ? memoryMib : 0),
      vcpusPromised: capacity.vcpusPromised + (running ? vcpus : 0),
      scarcePromised: scarceSum(capacity.scarcePromised, running ? scarce : noScarce)
    }
    return { ...candidate, capacity: left, orderBytes: candidate.orderBytes + orderBytes }
  })

/** Keeps the hosts where there is room for one and for all that leave with it. */
export function filterTogether(
  view: View,
  leaving: {
    readonly about: About
    readonly bonds: readonly Bond[]
    readonly companions: readonly About[]
    readonly joint: Joint
    readonly candidates: readonly Candidate[]
  }
): Filter {
  const { about, bonds, companions, joint, candidates } = leaving
  const [{ key }] = bonds as readonly [Bond]
  const isUnderWay = bonds.some(one => joint.has(jointKey(one)) || hasLeft(view, one.key))
  return ({ host }, demand) => {
    for (const bond of bonds) {
      const chosen = joint.get(jointKey(bond))
      if (chosen === undefined || chosen === domainOf(host, bond.level)) continue
      const name = groupName(bond.key)
      return `group ${name} is kept together on one ${bond.level}: it goes to ${chosen}`
    }
    if (isUnderWay) return undefined
    const isNear = (other: Candidate): boolean =>
      other.host.name !== about.host &&
      bonds.every(({ level }) => domainOf(other.host, level) === domainOf(host, level))
    let left = taken(candidates.filter(isNear), host.name, demand)
    for (const [at, companion] of companions.entries()) {
      const wanted = demandOfMove(view, companion)
      const { chosen } = place(wanted, left, rulesOfMove(view, companion))
      if (!chosen) {
        const all = `${companions.length + 1} of group ${groupName(key)} that leave together`
        return `has room for ${at + 1} of the ${all}: none for ${companion.instance.name}`
      }
      left = taken(left, chosen.name, wanted)
    }
    return undefined
  }
}

const jointKey = ({ key, level }: Bond): string => `${key} ${level}`

/** Whether some of a group are, or are about to be, where the others have to go. */
function hasLeft(view: View, key: string): boolean {
  const names = view.indexes.groups.of(key)?.hosts.keys() ?? []
  return [...names].some(name => {
    const host = view.named('host', name)
    return host !== undefined && isAnchor(host)
  })
}

/** Groups under way first; then by priority, a group by that of its most important member. */
export function inOrderOfLeaving(view: View, instances: readonly Instance[]): readonly Instance[] {
  const most = new Map<string, number>()
  const under = new Map<string, boolean>()
  const keyOf = new Map<string, string>()
  for (const instance of instances) {
    const key = bondsOf(view, instance)[0]?.key
    if (key === undefined) continue
    keyOf.set(instance.id, key)
    most.set(key, Math.max(most.get(key) ?? 0, instance.spec.priority))
    if (!under.has(key)) under.set(key, hasLeft(view, key))
  }
  const rankOf = (instance: Instance) => {
    const key = keyOf.get(instance.id)
    const { priority } = instance.spec
    if (key === undefined) return { isFirst: 0, most: priority, key: '', priority }
    return { isFirst: under.get(key) ? 1 : 0, most: most.get(key)!, key, priority }
  }
  const ranked = instances.map(instance => ({ instance, ...rankOf(instance) }))
  return ranked
    .sort(
      (a, b) =>
        b.isFirst - a.isFirst ||
        b.most - a.most ||
        (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) ||
        b.priority - a.priority ||
        (a.instance.id < b.instance.id ? -1 : 1)
    )
    .map(({ instance }) => instance)
}
