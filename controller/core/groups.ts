/**
 * Groups of instances that are kept apart or together. A group is there as soon as an instance
 * names it, and its members are of one tenant. A hard rule that one member states holds for the
 * whole group: else whoever comes later and states none would break it.
 *
 * Of each group is kept on which hosts how many of its members are, so that a rule is judged by
 * the hosts of the group and never by its members. One on its way is counted on both of its hosts.
 */
import type { Instance } from '#shared/model/instance.ts'
import type { Affinity } from '#shared/model/placing.ts'
import { defaultTenant } from './subject.ts'

/** How a group stands. */
export type Group = {
  readonly members: number
  /** Those of them that are on their way, and counted on two hosts. */
  readonly moving: number
  /** How many are on each host, by its name. */
  readonly hosts: ReadonlyMap<string, number>
  /** The rules that members state, and by how many. */
  readonly rules: ReadonlyMap<string, { readonly rule: Affinity; readonly count: number }>
}

type Growing = {
  members: number
  moving: number
  readonly hosts: Map<string, number>
  readonly rules: Map<string, { readonly rule: Affinity; readonly count: number }>
}

/** Changed by the indexes, and by a trial that takes back what it did. */
export class Groups {
  readonly #groups: Map<string, Growing>
  readonly #blocked: Tally
  readonly #memberships: Tally

  /** As others are at this moment; left out: none. */
  constructor(from?: Groups) {
    const groups = from ? [...from.#groups] : []
    this.#groups = new Map(groups.map(([key, group]) => [key, copyOf(group)]))
    this.#blocked = new Tally(from ? from.#blocked : undefined)
    this.#memberships = new Tally(from ? from.#memberships : undefined)
  }

  /** The hosts that the groups of any one instance keep it from, at most. */
  get blockedMost(): number {
    const { largest } = this.#blocked
    return largest === 0 ? 0 : largest * this.#memberships.largest
  }

  /** The hosts that groups may keep one from that is in all of them, at most. */
  blockedBy(keys: readonly string[]): number {
    let blocked = 0
    for (const key of keys) blocked += blockedMost(this.#groups.get(key))
    return blocked
  }

  of(key: string): Group | undefined {
    return this.#groups.get(key)
  }

  enter(instance: Instance): void {
    this.#count(instance, 1)
  }

  leave(instance: Instance): void {
    this.#count(instance, -1)
  }

  #count(instance: Instance, sign: 1 | -1): void {
    const { affinity } = instance.spec
    if (!affinity?.length) return
    for (const key of groupKeysOf(instance)) {
      const group = this.#groups.get(key) ?? bareGroup()
      this.#blocked.add(blockedMost(group), -1)
      this.#groups.set(key, group)
      group.members += sign
      if (instance.decided.moving) group.moving += sign
      for (const host of presenceOf(instance)) {
        const count = (group.hosts.get(host) ?? 0) + sign
        if (count === 0) group.hosts.delete(host)
        else group.hosts.set(host, count)
      }
      for (const rule of rulesIn(instance, key)) {
        const text = ruleKey(rule)
        const count = (group.rules.get(text)?.count ?? 0) + sign
        if (count === 0) group.rules.delete(text)
        else group.rules.set(text, { rule, count })
      }
      this.#blocked.add(blockedMost(group), 1)
      if (group.members === 0) this.#groups.delete(key)
    }
    this.#memberships.add(groupKeysOf(instance).length, sign)
  }
}

const copyOf = ({ members, moving, hosts, rules }: Growing): Growing => ({
  ...{ members, moving },
  ...{ hosts: new Map(hosts), rules: new Map(rules) }
})

const bareGroup = (): Growing => ({ members: 0, moving: 0, hosts: new Map(), rules: new Map() })

/** How often each number occurs, to know the largest; zero is not counted. */
class Tally {
  readonly #counts: Map<number, number>

  constructor(from?: Tally) {
    this.#counts = new Map(from ? from.#counts : [])
  }

  add(value: number, sign: 1 | -1): void {
    if (value === 0) return
    const count = (this.#counts.get(value) ?? 0) + sign
    if (count === 0) this.#counts.delete(value)
    else this.#counts.set(value, count)
  }

  get largest(): number {
    let largest = 0
    for (const value of this.#counts.keys()) largest = Math.max(largest, value)
    return largest
  }
}

/** Names a group among those of all tenants. */
const groupKey = (tenant: string | undefined, group: string): string =>
  `${tenant ?? defaultTenant}/${group}`

/** The name of a group within its tenant. */
export const groupName = (key: string): string => key.slice(key.indexOf('/') + 1)

/** The groups that an instance belongs to. */
export const groupKeysOf = ({
  tenant,
  spec
}: Pick<Instance, 'tenant' | 'spec'>): readonly string[] =>
  spec.affinity ? [...new Set(spec.affinity.map(({ group }) => groupKey(tenant, group)))] : []

/** Hosts on which an instance is counted. */
export const presenceOf = ({ decided: { host, moving } }: Instance): readonly string[] => [
  ...(host === undefined ? [] : [host]),
  ...(moving ? [moving.to] : [])
]

/** The rules that an instance states of a group, each once. */
export const rulesIn = (
  { tenant, spec }: Pick<Instance, 'tenant' | 'spec'>,
  key: string
): readonly Affinity[] => {
  const rules = (spec.affinity ?? []).filter(({ group }) => groupKey(tenant, group) === key)
  return [...new Map(rules.map(rule => [ruleKey(rule), rule])).values()]
}

/** The same text for the same rule. */
export const ruleKey = ({ group, rule, level, hard, max }: Affinity): string =>
  `${group} ${rule} ${level} ${hard} ${max}`

/** The domain that a host is in; undefined: it has no such label. */
export const domainOf = (
  { name, labels }: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
  level: string
): string | undefined => (level === 'host' ? name : labels[level])

/** How the members of a group are spread over the domains of a level. */
export type Spread = {
  /** Members in each domain. */
  readonly counts: ReadonlyMap<string, number>
  /** Domains where those are that others have to join. */
  readonly anchors: ReadonlySet<string>
}

/** Whether a member may come into a domain by a rule of its group. */
export function keepsRule(rule: Affinity, domain: string | undefined, spread: Spread): boolean {
  if (domain === undefined) return false
  if (rule.rule === 'apart') return (spread.counts.get(domain) ?? 0) < rule.max
  // While one of them is on its way nobody knows where all of them will be.
  return spread.anchors.size === 0 || (spread.anchors.size === 1 && spread.anchors.has(domain))
}

/** The hosts that a group may keep a member from, at most; infinite: that is not bounded. */
function blockedMost(group: Group | undefined): number {
  if (!group || group.members === 0) return 0
  let blocked = 0
  for (const { rule } of group.rules.values()) {
    if (!rule.hard) continue
    if (rule.rule !== 'apart' || rule.level !== 'host') return Number.POSITIVE_INFINITY
    blocked += Math.floor((group.members - 1 + group.moving) / rule.max)
  }
  return blocked
}
