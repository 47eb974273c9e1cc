/** What bootd should do about the power of each host, worked out of what is recorded. */
import { secretsOfHost } from '#shared/model/fence.ts'
import type { Host, HostRecovery } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { isVoiced } from './contradiction.ts'
import { splitOf } from './evacuation.ts'
import { wantOfTest } from './fence-test.ts'
import { fenceTurnOf } from './fence-turn.ts'
import { isKeptOff, wantOfPower } from './power.ts'
import { hasListened } from './suspicion.ts'
import type { View } from './view.ts'

/** A host that was said to be off and is heard reports within this, if it can. Unit: ms. */
const reportMs: Ms = 3_000

/** The moment, and whether what an earlier controller has begun is gone on with by then. */
type Moment = { readonly isKnown: boolean; readonly now: Ms }

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
    return fenceOrderOf(view, host, { epoch, isKnown, now }) ?? []
  })
}

function fenceOrderOf(
  view: View,
  host: Host,
  { epoch, ...moment }: Moment & { readonly epoch: number }
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
    ...wantOf(view, host, moment),
    epoch
  }
}

type Want = Pick<FenceOrder, 'want' | 'fence' | 'from' | 'isInUse'>

/**
 * Whom nobody takes for dead keeps what feeds it while outlets that are off are switched on. Said
 * only where there are several: a bootd of an older build refuses orders with a word that it does
 * not know, all of them.
 */
function inUse({ spec }: Host, want: Want): Want {
  const devices = (spec.fence ?? []).flatMap(level => level.devices)
  const isFedTwice = devices.some(device => device.type === 'pdu' && device.outlets.length > 1)
  return want.want === 'on' && isFedTwice ? { ...want, isInUse: true } : want
}

/** A host is switched on again only when nothing of it is left to be started elsewhere. */
function wantOf(view: View, host: Host, { isKnown, now }: Moment): Want {
  const { recovery, fenceTest, power } = host.decided
  if (!recovery && fenceTest) return inUse(host, wantOfTest(fenceTest))
  if (!recovery) return power ? inUse(host, wantOfPower(power)) : { want: 'watch' }
  if (recovery.phase === 'fencing') {
    if (!isKnown || isAboutToReport(view, { host, recovery, now })) return { want: 'watch' }
    const { fence, from } = fenceTurnOf(host, recovery)
    return { want: 'off', fence, ...(from > 1 && { from }) }
  }
  const isWanted = host.spec.afterFence !== 'off' && host.decided.duty === undefined
  if (!isWanted || isKeptOff(host) || splitOf(view, host).leaving.length > 0)
    return { want: 'watch' }
  return { want: 'on', fence: `${recovery.id}-on` }
}

/** Who is heard though an operator said that it is off is in use once it says what it runs. */
function isAboutToReport(
  view: View,
  given: { readonly host: Host; readonly recovery: HostRecovery; readonly now: Ms }
): boolean {
  const { host, recovery, now } = given
  const { by, spoke } = recovery.contradicted ?? {}
  if (by !== 'operator' || !spoke || now >= view.lostSince(host.name) + reportMs) return false
  return isVoiced(view, host, recovery)
}
