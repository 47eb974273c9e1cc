/**
 * A controller may wish that this host boots anew. It names the boot that is to end, so that the
 * wish is fulfilled by the boot alone, and none that is late ends another one. Nothing of ours may
 * run then, and only a controller that this run of the agent has heard may wish it.
 */
import type { Ms } from '#shared/units.ts'
import { isAlive, type SortedDomains } from './own-domains.ts'
import { type Matter, type Situation, wishFor } from './situation.ts'

/** A machine that was told to boot is given so long before it is told again. Unit: ms. */
const bootMsMax: Ms = 600_000

/** Has the host boot anew once nothing of ours runs. */
export function diffReboot(own: SortedDomains['own'], situation: Situation): readonly Matter[] {
  const { order, origin, observed, memory, now } = situation
  const { reboot: boot } = order
  if (boot === undefined) return []
  const waits: Matter = { settled: false }
  if (origin !== 'fresh' || observed.domains.state !== 'fresh') return [waits]
  if (own.some(({ domain }) => isAlive(domain))) return [waits]
  const { rebooting } = memory
  const isUnderWay = rebooting?.boot === boot && now.monotonic - rebooting.at < bootMsMax
  if (isUnderWay) return [{ settled: false, lookAgainAt: rebooting.at + bootMsMax }]
  const because = 'a controller wishes that this boot ends, and nothing runs here'
  return [{ wish: wishFor({ type: 'reboot', boot, because }, situation), settled: false }]
}
