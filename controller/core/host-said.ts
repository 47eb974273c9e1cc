import type { Host } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { type Context, decision } from './admission/context.ts'
import type { Commit } from './commit.ts'
import { hostChange } from './host-change.ts'
import { endedByItselfMs, isSameSelfFence, selfFenceOf } from './self-fence.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** What a host had said when nothing of it was to be recorded. */
type Said = { readonly report: Report | undefined; readonly generation: number }

/** Of hosts in use: a host is another value whenever anything is recorded of it. */
const recorded = new WeakMap<Host, Said>()

/**
 * Records what a host in use says of itself that others rely on: its boot, where peers look for it,
 * and its self-fence. Once nothing of it is news it is asked no more until it says something else.
 */
export function reliedOn(view: View, host: Host, context: Context): Commit | undefined {
  const { report } = view.heard(host.name)
  const generation = view.indexes.hostGeneration(host.name)
  const known = recorded.get(host)
  if (known?.report === report && known?.generation === generation) return undefined
  const commit = booted(view, host, context) ?? reliance(view, host, context)
  if (!commit) recorded.set(host, { report, generation })
  return commit
}

/** Remembers each boot, since what was believed of an earlier one is void, and where peers look. */
function booted(view: View, host: Host, context: Context): Commit | undefined {
  const { report } = view.heard(host.name)
  if (!report) return undefined
  const { bootId: before, probeEndpoint: at } = host.decided
  const { bootId, probeEndpoint = at } = report
  if (bootId === before && probeEndpoint === at) return undefined
  const decided = { ...host.decided, bootId, ...(probeEndpoint && { probeEndpoint }) }
  const after: Host = { ...host, decided }
  if (before === undefined || before === bootId)
    return { changes: [{ op: 'put', resource: after }], decisions: [] }
  const message = `booted anew: boot ${bootId}, was ${before}`
  return hostChange(view, after, context, { verb: 'host-booted', message, severity: 'notice' })
}

/** Records what the next controller, too, may rely on, before anything is built on it. */
function reliance(view: View, host: Host, context: Context): Commit | undefined {
  const selfFence = selfFenceOf(view, host)
  if (isSameSelfFence(host.decided.selfFence, selfFence)) return undefined
  const { selfFence: known, ...decided } = host.decided
  const after: Host = { ...host, decided: { ...decided, ...(selfFence && { selfFence }) } }
  const wasArmed = known?.armed !== undefined
  if (wasArmed === (selfFence?.armed !== undefined)) {
    return { changes: [{ op: 'put', resource: after }], decisions: [] }
  }
  const message = wasArmed
    ? 'nothing can be relied on any more of its self-fence'
    : `fences itself ${formatMs(endedByItselfMs(selfFence!))} after its last lease: its watchdog ` +
      `${selfFence!.armed!.identity} (${formatMs(selfFence!.armed!.timeoutMs)}) is armed`
  return {
    changes: [{ op: 'put', resource: after }],
    decisions: [decision(context, 'self-fence', message, subjectOf(host))]
  }
}
