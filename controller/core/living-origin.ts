/** Whether who was to leave a host that was taken for off may run on there after all. */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import { isDisowned } from './contradiction.ts'
import { reportedIn } from './reported.ts'
import type { View } from './view.ts'

const mayRun: ReadonlySet<string> = new Set([
  'running',
  'paused',
  'stopping',
  'starting',
  'waiting'
])

/**
 * The host that an instance has lost, if it has turned out since that it runs: nothing that it may
 * still run starts elsewhere before it is off. Undefined: nothing keeps the instance from that.
 */
export function livingOrigin(view: View, { id, decided }: Instance): Host | undefined {
  const { displaced } = decided
  const host = displaced && view.named('host', displaced.from)
  if (!host) return undefined
  const { recovery } = host.decided
  if (recovery?.phase === 'fencing') return recovery.contradicted ? host : undefined
  if (recovery) return isDisowned(view, host, recovery) ? host : undefined
  // It is in use again, and has not said yet that it has ended what it had.
  const seen = reportedIn(view.heard(host.name).report?.instances ?? [], id)
  return seen && mayRun.has(seen.power) ? host : undefined
}
