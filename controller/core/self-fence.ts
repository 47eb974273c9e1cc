/**
 * What a controller may rely on of hosts that fence themselves, and when that proves one off.
 *
 * A host that has a limit and an armed hardware watchdog lives, as far as others could start what
 * runs there, only by our heartbeats: each gives it a lease from when it sent the heartbeat of its
 * own that we echo. A host that is taken for dead gets none. So some time after the last one that
 * it can have had, whatever became of it, it has ended what others could start, or was reset.
 *
 * That holds for whoever leads next, too, who does not know what was echoed before: no lease of the
 * one before counts from later than it was last seen to lead (leases.ts), or else than the new one
 * began. What it must know is the longest limit that can be in force there, so that is recorded
 * before an order says it, and made shorter only when the host has taken on an order that says so.
 */
import type { Host, HostRecovery, HostSelfFence } from '#shared/model/host.ts'
import type { SelfFenceTimes } from '#shared/self-fence-times.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { endedAfterMs, expiryMs, limitProblem } from './timing.ts'
import type { View } from './view.ts'

/** The limit that an order may say: never a longer one than is recorded. */
export function orderedLimit({ spec, decided }: Host): Ms | undefined {
  const known = decided.selfFence?.limitMs
  if (known === undefined) return undefined
  return Math.min(known, spec.selfFence?.limitMs ?? known)
}

/** What should be recorded of a host that is in use; undefined: it has no self-fence. */
export function selfFenceOf(view: View, host: Host): HostSelfFence | undefined {
  const { spec, decided } = host
  if (!spec.selfFence || decided.approval !== 'approved') return undefined
  const wished = spec.selfFence.limitMs
  const known = decided.selfFence
  const { report } = view.heard(host.name)
  const limitMs = Math.max(wished, known?.limitMs ?? wished)
  if (!known || !report) return { ...known, limitMs }
  const said = report.selfFence
  const isNewest = report.generation >= view.indexes.hostGeneration(host.name)
  const armed = armedBy(report)
  return {
    limitMs: isNewest && said?.limitMs === wished ? wished : limitMs,
    ...(armed && (isNewest || isAlike(known.armed, armed)) && { armed })
  }
}

function armedBy({ selfFence, bootId }: Report): HostSelfFence['armed'] {
  if (!selfFence?.armed || !selfFence.nowayout || selfFence.kind !== 'hardware') return undefined
  const { identity, timeoutMs, limitMs, kept } = selfFence
  if (limitMs === undefined || timeoutMs === 0) return undefined
  return { bootId, identity, timeoutMs, ...(kept === true && { kept }) }
}

const isAlike = (one: HostSelfFence['armed'], other: HostSelfFence['armed']): boolean =>
  one?.bootId === other?.bootId &&
  one?.identity === other?.identity &&
  one?.timeoutMs === other?.timeoutMs &&
  one?.kept === other?.kept

/** Whether two records say the same. */
export const isSameSelfFence = (
  one: HostSelfFence | undefined,
  other: HostSelfFence | undefined
): boolean => one?.limitMs === other?.limitMs && isAlike(one?.armed, other?.armed)

/** Whether a host's own end can prove it off, should it not be heard any more. */
export function canExpire(view: View, { name, decided }: Host): boolean {
  const armed = decided.selfFence?.armed
  if (!armed) return false
  const bootId = decided.recovery ? decided.recovery.bootId : decided.bootId
  const { report } = view.heard(name)
  return armed.bootId === bootId && (report === undefined || isAlike(armedBy(report), armed))
}

/** How the end of a host that is taken for dead stands; undefined: nothing can be relied on. */
export type Expiry = {
  /** On our monotonic clock; undefined: not known since when it had no lease. */
  readonly at: Ms | undefined
  readonly because: string
}

const timesOf = (
  limitMs: Ms,
  { timeoutMs, kept }: NonNullable<HostSelfFence['armed']>
): SelfFenceTimes & { readonly kept: boolean } => ({
  limitMs,
  watchdogMs: timeoutMs,
  kept: kept === true
})

/** How long after its last lease it has ended what others could start, as it counts itself. */
export const endedByItselfMs = ({ limitMs, armed }: HostSelfFence): Ms =>
  armed ? endedAfterMs(timesOf(limitMs, armed)) : limitMs

/** Works out when a host that is taken for dead has ended by itself. */
export function expiryOf(view: View, host: Host, recovery: HostRecovery): Expiry | undefined {
  const known = host.decided.selfFence
  if (!known?.armed || !canExpire(view, { ...host, decided: { ...host.decided, recovery } })) {
    return undefined
  }
  const { limitMs, armed } = known
  const waitMs = expiryMs(timesOf(limitMs, armed))
  const since = view.leases.endedAt(host.name, view.heard(host.name))
  const because =
    `its watchdog ${armed.identity} (${formatMs(armed.timeoutMs)}) was armed in boot ` +
    `${armed.bootId} with a limit of ${formatMs(limitMs)}: nothing that others could start runs ` +
    `there ${formatMs(waitMs)} after its last lease`
  return { at: since === undefined ? undefined : since + waitMs, because }
}

/** Why the limit that a host goes by is too short for this cloud; undefined: it is not. */
export function shortLimit(view: View, { spec, decided }: Host): string | undefined {
  const limitMs = decided.selfFence?.limitMs ?? spec.selfFence?.limitMs
  if (limitMs === undefined || view.sessionMs === undefined) return undefined
  return limitProblem(limitMs, view.sessionMs)
}

/** What is shown of it, once the host has said something of it. */
export function selfFenceShown(view: View, host: Host): object {
  const said = view.heard(host.name).report?.selfFence
  if (!said) return {}
  const { identity: watchdog, timeoutMs, armed, limitMs, because } = said
  const relied = canExpire(view, host)
  const known = host.decided.selfFence
  const expiresMs =
    relied && known?.armed ? expiryMs(timesOf(known.limitMs, known.armed)) : undefined
  return {
    selfFence: {
      armed,
      relied,
      ...(limitMs !== undefined && { limitMs }),
      watchdog,
      timeoutMs,
      ...(expiresMs !== undefined && { expiresMs }),
      because: because || (shortLimit(view, host) ?? '')
    }
  }
}
