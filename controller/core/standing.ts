/**
 * How a host stands, from its first knock to its end.
 *
 *   pending ──► online ◄──► late ──► suspect ──► fencing ──► fenced ──► recovering ──► online
 *                 ▲ │           │       ▲  ▲         │
 *                 │ │ drain     ▼       │  │         └──► online: it speaks before the proof
 *                 │ ▼         silent ───┘  │
 *                 │ draining               └── unknown ──► online
 *                 │ ▼
 *                 └ maintenance            any of them ──► gone
 *
 * Whoever is heard is online again from late, silent and suspect, too. A draining or silent host
 * may be taken for dead as any other; one in maintenance is not. Unknown is where all hosts begin
 * when the controller changes.
 *
 * - pending: it has knocked and is not let in yet.
 * - online: its agent is heard.
 * - late: four heartbeats are missing; nothing is concluded from it.
 * - silent: ten are missing, and something speaks against its death, or nobody could look yet.
 * - suspect: its peers do not reach its machine either; it would be fenced, unless something holds.
 * - unknown: this controller has not heard it yet; nothing is concluded from it.
 * - fencing: it is taken for dead, gets no orders, and must be proven off before anything moves.
 * - fenced: it is proven off; its instances start elsewhere, and what only it holds waits for it.
 * - recovering: it was fenced, is back with a new boot, and starts what waited for it.
 * - draining: an operator has it emptied, and nothing new arrives.
 * - maintenance: out of service by an operator: nothing starts there and nobody fences it.
 * - gone: it was removed and is on its way out.
 *
 * "Disarmed" is the whole cloud, not a host: then suspects stay suspects.
 */
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import { isHeardSinceLost } from './fencing.ts'
import { type HostPhase, phaseOf } from './liveness.ts'
import { suspicionOf } from './suspicion.ts'
import type { View } from './view.ts'

/** As `hostPhases` of the model. */
export type Standing =
  | HostPhase
  | 'suspect'
  | 'fencing'
  | 'fenced'
  | 'recovering'
  | 'draining'
  | 'maintenance'
  | 'gone'

/** Works out how a host stands at a moment. */
export function standingOf(view: View, host: Host, now: Ms): Standing {
  const { recovery, duty, deletedAt } = host.decided
  if (deletedAt !== undefined) return 'gone'
  const phase = phaseOf(host, view.heard(host.name), now)
  if (phase === 'pending') return 'pending'
  if (recovery) {
    const isBack = recovery.phase === 'fenced' && isHeardSinceLost(view, host.name)
    return isBack ? 'recovering' : recovery.phase
  }
  if (duty?.state === 'maintenance') return 'maintenance'
  if (phase === 'silent' || phase === 'late') {
    const { verdict } = suspicionOf(view, host, now)
    if (verdict === 'suspect' || verdict === 'held') return 'suspect'
  }
  if (phase === 'silent' || phase === 'unknown') return phase
  return duty ? 'draining' : phase
}
