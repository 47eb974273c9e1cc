import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import { phaseOf } from './liveness.ts'
import type { View } from './view.ts'
import { type Corroboration, corroborate, corroborationSentence } from './witnesses.ts'

/** Judges whether those that look for a silent host corroborate its silence. */
export function corroborationOf(view: View, host: Host, now: Ms): Corroboration {
  const isHeard = (name: string): boolean => {
    const other = view.named('host', name)
    return other !== undefined && phaseOf(other, view.heard(name), now) === 'online'
  }
  const silentSince = view.heard(host.name).heardAt ?? Number.NEGATIVE_INFINITY
  return corroborate(view.witnesses.of(host.decided.uuid), { silentSince, now, isHeard })
}

/** What peers say of a silent host, to follow its silence; empty where nobody looks for it. */
export function silenceOf(view: View, host: Host, now: Ms): string {
  if (view.witnesses.of(host.decided.uuid).length === 0) return ''
  return `; ${corroborationSentence(corroborationOf(view, host, now))}`
}
