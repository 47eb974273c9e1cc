/**
 * What is to be deleted and was on a host that is proven off. Nothing of it runs any more, so an
 * instance goes at once. A volume that other hosts see is removed by one of them; one that only
 * that host has is removed when the host is back.
 */
import type { Host } from '#shared/model/host.ts'
import type { Volume } from '#shared/model/volume.ts'
import { type Context, decision } from './admission/context.ts'
import type { Commit } from './commit.ts'
import { isOff } from './fencing.ts'
import { phaseOf } from './liveness.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** Has another host remove a volume of one that is off; undefined: none can, so it waits. */
export function handedOver(view: View, volume: Volume, context: Context): Commit | undefined {
  const { host } = volume.decided
  if (host === undefined || view.named('pool', volume.spec.pool)?.spec.shared !== true) {
    return undefined
  }
  const to = [...view.all('host').values()]
    .filter(one => canRemove(view, one, volume, context))
    .sort((a, b) => (a.name < b.name ? -1 : 1))[0]
  if (!to) return undefined
  const after: Volume = { ...volume, decided: { ...volume.decided, host: to.name } }
  const because = `${host} is proven off; ${to.name} sees pool ${volume.spec.pool} and removes it`
  return {
    changes: [{ op: 'put', resource: after }],
    decisions: [decision(context, 'deleting', because, subjectOf(volume))]
  }
}

function canRemove(view: View, host: Host, { spec }: Volume, { now }: Context): boolean {
  const heard = view.heard(host.name)
  const { recovery, approval, deletedAt } = host.decided
  if (recovery || approval !== 'approved' || deletedAt !== undefined) return false
  if (phaseOf(host, heard, now.monotonic) !== 'online') return false
  const sees = heard.report?.pools.some(
    ({ name, phase }) => name === spec.pool && phase === 'ready'
  )
  return sees === true
}

/** What is said of a volume that is to go and waits for its host; undefined: it does not. */
export function leftoverWords(view: View, { decided }: Volume): string | undefined {
  const { host, deletedAt } = decided
  if (deletedAt === undefined || !isOff(view, host)) return undefined
  return `${host} is off: what is left of it there is removed as soon as ${host} is back`
}
