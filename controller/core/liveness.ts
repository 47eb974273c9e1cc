import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { HostHeard } from './view.ts'

/** Counted on the monotonic clock since the host was last heard. */
export type LivenessLimits = {
  /** Silence after which a host is late, and after which it is silent. */
  readonly lateMs: Ms
  readonly silentMs: Ms
}
/** Four and ten heartbeats of half a second. */
export const livenessLimits: LivenessLimits = { lateMs: 2_000, silentMs: 5_000 }

/** As `hostPhases` of the model, which says what they mean. */
export type HostPhase = 'pending' | 'online' | 'late' | 'silent' | 'unknown'

/**
 * Judges one host by its silence. `unknown` is a host that this controller has not heard yet: it
 * may be well, so nothing is concluded from it.
 */
export function phaseOf(
  host: Host,
  heard: HostHeard,
  now: Ms,
  limits: LivenessLimits = livenessLimits
): HostPhase {
  if (host.decided.approval === 'pending') return 'pending'
  if (heard.heardAt === undefined) return 'unknown'
  const silenceMs = now - heard.heardAt
  if (silenceMs < limits.lateMs) return 'online'
  return silenceMs < limits.silentMs ? 'late' : 'silent'
}
