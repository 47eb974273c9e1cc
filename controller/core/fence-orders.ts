/** What bootd should do about the power of each host, worked out of what is recorded. */
import { secretsOfHost } from '#shared/model/fence.ts'
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { splitOf } from './evacuation.ts'
import { wantOfTest } from './fence-test.ts'
import { hasListened } from './suspicion.ts'
import type { View } from './view.ts'

/**
 * An order for each host that has a fence device: all of them, at each moment. What another one
 * has begun is gone on with once this one has heard the host, or listened for long enough.
 */
export const fenceOrdersOf = (
  view: View,
  { epoch, now }: { readonly epoch: number; readonly now: Ms }
): readonly FenceOrder[] => {
  const isNew = now - view.listeningSince < view.patience.newcomerMs
  return [...view.all('host').values()].flatMap(host => {
    const isKnown = !isNew || hasListened(view, host, now)
    return fenceOrderOf(view, host, { epoch, isKnown }) ?? []
  })
}

function fenceOrderOf(
  view: View,
  host: Host,
  { epoch, isKnown }: { readonly epoch: number; readonly isKnown: boolean }
): FenceOrder | undefined {
  const levels = host.spec.fence ?? []
  const { approval, uuid, deletedAt } = host.decided
  if (levels.length === 0 || approval !== 'approved' || deletedAt !== undefined) return undefined
  const known = secretsOfHost(host.spec).flatMap(name => view.secrets().get(name) ?? [])
  return {
    host: uuid,
    name: host.name,
    levels,
    ...(host.spec.courtesy && { courtesy: host.spec.courtesy }),
    secrets: Object.fromEntries(known.map(({ name, value }) => [name, value])),
    ...wantOf(view, host, isKnown),
    epoch
  }
}

/** A host is switched on again only when nothing of it is left to be started elsewhere. */
function wantOf(view: View, host: Host, isKnown: boolean): Pick<FenceOrder, 'want' | 'fence'> {
  const { recovery, fenceTest } = host.decided
  if (!recovery) return fenceTest ? wantOfTest(fenceTest) : { want: 'watch' }
  if (recovery.phase === 'fencing') {
    return isKnown ? { want: 'off', fence: recovery.id } : { want: 'watch' }
  }
  const isWanted = host.spec.afterFence !== 'off' && host.decided.duty === undefined
  if (!isWanted || splitOf(view, host).leaving.length > 0) return { want: 'watch' }
  return { want: 'on', fence: `${recovery.id}-on` }
}
