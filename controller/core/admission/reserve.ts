/**
 * Where admission asks the reserve. A new instance is asked for while its host is chosen; here is
 * everything else that takes room from what a loss would need, or takes hosts away. What gives room
 * back is never asked for: to stop and to delete must always be possible.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Change } from '../commit.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib } from '../overhead.ts'
import { isRefusal } from '../refusal.ts'
import { refuseHarm } from '../reserve/promise.ts'
import { reserveOf } from '../reserve/settings.ts'
import type { View } from '../view.ts'
import type { Intent } from './admit.ts'
import type { Context, Verdict } from './context.ts'
import { same } from './instance-change.ts'
import { asksOtherwise } from './placing-change.ts'

/** Refuses what was admitted if the room that is kept for losses would be gone with it. */
export function keepReserve(
  view: View,
  judged: { readonly intent: Intent; readonly verdict: Verdict },
  context: Context
): Verdict {
  const { intent, verdict } = judged
  if (isRefusal(verdict) || !reserveOf(view)) return verdict
  const { changes } = verdict.commit
  const cannot = cannotOf(view, intent, changes)
  if (cannot === undefined) return verdict
  return refuseHarm(view, { cannot, changes }, context.now) ?? verdict
}

/** What could not be done, if it takes anything away; undefined: it does not. */
function cannotOf(view: View, intent: Intent, changes: readonly Change[]): string | undefined {
  switch (intent.verb) {
    case 'change':
    case 'power':
    case 'restart':
      return cannotChange(view, intent, changes)
    case 'move': {
      const { name, decided } = view.get('instance', intent.id)!
      const moving = changes.length > 0 && decided.moving === undefined
      return moving ? `cannot move instance ${name}` : undefined
    }
    case 'delete':
      if (intent.kind !== 'host' || intent.force) return undefined
      return `cannot remove host ${view.get('host', intent.id)?.name}`
    case 'drain': {
      const { name } = view.get('host', intent.id)!
      return changes.length > 0 ? `cannot drain host ${name}` : undefined
    }
    default:
      return undefined
  }
}

function cannotChange(
  view: View,
  intent: Extract<Intent, { readonly verb: 'change' | 'power' | 'restart' }>,
  changes: readonly Change[]
): string | undefined {
  const [change] = changes
  if (change?.op !== 'put') return undefined
  const { resource } = change
  if (resource.kind === 'host') {
    const before = view.get('host', resource.id)
    return before && givesLess(before, resource) ? `cannot change host ${before.name}` : undefined
  }
  if (resource.kind !== 'instance') return undefined
  const before = view.get('instance', resource.id)
  if (!before || !takesMore(before, resource)) return undefined
  const isStart = before.spec.desiredPower === 'stopped' && intent.verb !== 'change'
  return `cannot ${isStart ? 'start' : 'change'} instance ${resource.name}`
}

/** A host that is closed, keeps more or carries less, is in another domain or for others. */
const givesLess = (before: Host, after: Host): boolean =>
  (before.spec.schedulable && !after.spec.schedulable) ||
  before.spec.reservedMib < after.spec.reservedMib ||
  before.spec.vcpusPerThread > after.spec.vcpusPerThread ||
  JSON.stringify(before.labels) !== JSON.stringify(after.labels) ||
  JSON.stringify(before.spec.dedicated) !== JSON.stringify(after.spec.dedicated) ||
  (before.decided.duty === undefined && after.decided.duty !== undefined)

/**
 * More room, a promise that it did not have, other volumes, or another place in the queue: also who
 * comes later may take the room of others then, as the plan goes by priority. Who yields to others
 * counts as if it ran, as it does again once there is room. Who waits for it takes some once it is
 * small enough. Where it has failed is forgotten with any wish, as with time: nobody asks of that.
 */
function takesMore(before: Instance, after: Instance): boolean {
  const [was, will] = [before, after].map(one =>
    isStopped(one)
      ? { memoryMib: 0, vcpus: 0 }
      : { memoryMib: heldMib(one.decided), vcpus: one.decided.vcpus }
  )
  return (
    will!.memoryMib > was!.memoryMib ||
    will!.vcpus > was!.vcpus ||
    (!isStopped(after) && after.decided.memoryMib > before.decided.memoryMib) ||
    orderBytesOf(after) > orderBytesOf(before) ||
    (after.spec.highlyAvailable && !before.spec.highlyAvailable) ||
    after.spec.priority !== before.spec.priority ||
    asksOtherwise(before, after) ||
    !same(after.decided.volumes, before.decided.volumes) ||
    (waits(before) && isSmaller(after, before))
  )
}

const waits = ({ decided }: Instance): boolean =>
  decided.host === undefined || decided.preempted !== undefined

const isSmaller = ({ decided: one }: Instance, { decided: other }: Instance): boolean =>
  one.memoryMib < other.memoryMib || one.vcpus < other.vcpus

const isStopped = ({ spec, decided }: Instance): boolean =>
  spec.desiredPower === 'stopped' || decided.deletedAt !== undefined
