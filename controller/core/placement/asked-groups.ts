import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Affinity } from '#shared/model/placing.ts'
import {
  domainOf,
  type Group,
  groupKeysOf,
  groupName,
  presenceOf,
  ruleKey,
  rulesIn,
  type Spread
} from '../groups.ts'
import type { View } from '../view.ts'

/** A rule of a group that an instance belongs to, and how the others of it are spread. */
export type AskedGroup = {
  readonly name: string
  readonly rule: Affinity
  /** Without the instance itself. Worked out when it is first asked for. */
  readonly spread: () => Spread
}

/** The hard rules of its groups, whoever states them, and the soft ones that it states itself. */
export function askedGroups(view: View, instance: Instance): readonly AskedGroup[] {
  return groupKeysOf(instance).flatMap(key => {
    const group = view.indexes.groups.of(key)
    const known = view.get('instance', instance.id)
    const counted = known && groupKeysOf(known).includes(key) ? known : undefined
    const own = new Map(rulesIn(instance, key).map(rule => [ruleKey(rule), rule]))
    const before = counted ? new Set(rulesIn(counted, key).map(ruleKey)) : undefined
    for (const [text, { rule, count }] of group?.rules ?? []) {
      if (rule.hard && count > (before?.has(text) ? 1 : 0)) own.set(text, rule)
    }
    const rules = [...own].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule)
    return rules.map(rule => {
      let made: Spread | undefined
      const spread = () => {
        made ??= spreadOf(view, { group, level: rule.level, counted })
        return made
      }
      return { name: groupName(key), rule, spread }
    })
  })
}

function spreadOf(
  view: View,
  asked: {
    readonly group: Group | undefined
    readonly level: string
    readonly counted: Instance | undefined
  }
): Spread {
  const counts = new Map<string, number>()
  const anchors = new Set<string>()
  const own = asked.counted ? presenceOf(asked.counted) : []
  for (const [name, all] of asked.group?.hosts ?? []) {
    const count = all - own.filter(one => one === name).length
    const host = view.named('host', name)
    const domain = host && domainOf(host, asked.level)
    if (count <= 0 || domain === undefined) continue
    counts.set(domain, (counts.get(domain) ?? 0) + count)
    if (isAnchor(host!)) anchors.add(domain)
  }
  return { counts, anchors }
}

/** From a host that is lost or emptied nobody has to stay away because others are still there. */
export const isAnchor = ({ decided }: Host): boolean => !decided.recovery && !decided.duty
