/** What an instance asks of its host may change; what its host is not, it cannot ask for. */
import type { Instance } from '#shared/model/instance.ts'
import { type Affinity, placingFields } from '#shared/model/placing.ts'
import { groupKeysOf, ruleKey } from '../groups.ts'
import { askedGroups } from '../placement/asked-groups.ts'
import { candidateOf } from '../placement/candidates.ts'
import { filterAcceleration } from '../placement/filter-acceleration.ts'
import { filterCpuFeatures } from '../placement/filter-cpu-features.ts'
import { filterGroups } from '../placement/filter-groups.ts'
import { filterLabels } from '../placement/filter-labels.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import type { Context } from './context.ts'
import { same } from './instance-change.ts'
import { demandOf } from './instance-place.ts'

const filters = [filterAcceleration, filterCpuFeatures, filterLabels, filterGroups]

/** Whether an instance asks for something else than before. */
export const asksOtherwise = (before: Instance, after: Instance): boolean =>
  placingFields.some(field => !same(before.spec[field], after.spec[field]))

/** Refuses what the host where it is does not satisfy; undefined: it does, or nothing is new. */
export function refuseMisplaced(
  view: View,
  change: { readonly before: Instance; readonly after: Instance },
  context: Context
): Refusal | undefined {
  const { before, after } = change
  const host = view.named('host', after.decided.host ?? '')
  if (!asksOtherwise(before, after)) return undefined
  const unkept = refuseUnkept(view, after)
  if (unkept || !host) return unkept
  const candidate = candidateOf(view, host, context.now.monotonic)
  const demand = demandOf(view, { instance: after, volumes: [] })
  for (const filter of filters) {
    const reason = filter(candidate, demand)
    if (reason === undefined) continue
    const { name } = after
    return refuse('conflict', `cannot change instance ${name}: it could not be on ${host.name}`, {
      reasons: [`${host.name}: ${reason}`],
      next: [`remuda instance migrate ${name} --to HOST, and change it there`, 'remuda host list']
    })
  }
  return undefined
}

/**
 * Refuses a hard rule that its group does not keep as it is: it would hold for all members, and
 * nobody is moved for it. Undefined: it is kept, or nothing is stated that was not before.
 */
export function refuseUnkept(view: View, instance: Instance): Refusal | undefined {
  for (const { name, rule, spread } of askedGroups(view, instance)) {
    if (!rule.hard || isStated(view, instance, rule)) continue
    const { counts, anchors } = spread()
    const full = [...counts].filter(([, count]) => count > rule.max).map(([domain]) => domain)
    const isBroken = rule.rule === 'apart' ? full.length > 0 : anchors.size > 1
    if (!isBroken) continue
    const { level, max } = rule
    const wish = rule.rule === 'apart' ? `apart, at most ${max} on one` : 'together on one'
    return refuse('conflict', `group ${name} is not kept ${wish} ${level} as it is`, {
      pointer: '/spec/affinity',
      reasons: [
        rule.rule === 'apart'
          ? `more than ${max} are on ${listed(full.sort())}`
          : `its members are on ${listed([...anchors].sort())}`
      ],
      next: ['migrate members first, or state another rule', 'or a soft one: hard: false']
    })
  }
  return undefined
}

/** Whether a member states it already. */
function isStated(view: View, instance: Instance, rule: Affinity): boolean {
  const text = ruleKey(rule)
  return groupKeysOf(instance).some(key => view.indexes.groups.of(key)?.rules.has(text) === true)
}
