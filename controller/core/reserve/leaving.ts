/**
 * Where those will be that leave hosts which are being emptied: a wish that is judged while they
 * are still there must not take the room in which they are to be. It is one plan for all of these
 * hosts, and an estimate: each departure is judged anew when its turn comes; see ../departure.ts.
 */
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import { whyBound } from '../evacuation.ts'
import { isResting } from '../indexes.ts'
import { holdsOf } from '../scarce.ts'
import type { View } from '../view.ts'
import { byPriority, leaverOf } from './evacuee.ts'
import type { Ground } from './ground.ts'
import { planOf } from './plan.ts'
import { volumesIn } from './trial.ts'

/**
 * What would be recorded of all that leave, once some changes are, which the ground has on trial.
 * Who finds no place stays, and nothing is recorded of it.
 */
export function leavingChanges(
  view: View,
  ground: Ground,
  changes: readonly Change[]
): readonly Change[] {
  const emptied = [...ground.rows.keys()].filter(
    host => ground.rows[host]!.host.decided.duty?.state === 'draining'
  )
  if (emptied.length === 0) return []
  const leavers = emptied.flatMap(host => leaversOn(view, ground, { host, changes }))
  ground.meetWants()
  const evacuees = leavers.map(one => leaverOf(view, one, ground.wants)).sort(byPriority)
  ground.meetWants()
  const seats = new Map<string, string>()
  for (const { host, evacuees: those } of planOf(ground, emptied, { leavers: evacuees }).taken) {
    for (const { id } of those) seats.set(id, ground.name(host))
  }
  return leavers.flatMap(({ instance }): readonly Change[] => {
    const host = seats.get(instance.id)
    if (host === undefined) return []
    const { preempted: _, roomFrom: __, ...decided } = instance.decided
    return [{ op: 'put', resource: { ...instance, decided: { ...decided, host } } }]
  })
}

type Leaver = { readonly instance: Instance; readonly volumes: readonly Volume[] }

/** Who is to leave a host and has not set out yet; who has counts on both hosts as it is. */
function leaversOn(
  view: View,
  ground: Ground,
  { host, changes }: { readonly host: number; readonly changes: readonly Change[] }
): readonly Leaver[] {
  const { name, decided: duty } = ground.rows[host]!.host
  const changed = new Map<string, Instance | undefined>()
  for (const change of changes) {
    if (change.op === 'remove' && change.kind === 'instance') changed.set(change.id, undefined)
    if (change.op === 'put' && change.resource.kind === 'instance') {
      changed.set(change.resource.id, change.resource)
    }
  }
  const ids = new Set([...view.indexes.of('host-instances', name), ...changed.keys()])
  return [...ids].flatMap(id => {
    const instance = changed.has(id) ? changed.get(id) : view.get('instance', id)
    if (instance?.decided.host !== name || instance.decided.moving) return []
    const volumes = volumesIn(view, changes, instance)
    const leaver = { instance, volumes }
    return canLeave(view, leaver, duty.duty?.cold === true) ? [leaver] : []
  })
}

/** Whether it can go, as far as its wish says; see waysOf in ../departure.ts. */
export function canLeave(view: View, { instance, volumes }: Leaver, cold: boolean): boolean {
  const { spec, decided } = instance
  if (decided.deletedAt !== undefined || whyBound(view, instance, volumes) !== undefined) {
    return false
  }
  if (cold || isResting(instance)) return true
  return spec.type === 'vm' && holdsOf(decided).length === 0
}
