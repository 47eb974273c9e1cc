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

/** For how long, and whether this controller has never heard it. */
export type Silence = { readonly sinceMs: Ms; readonly isNew: boolean }

/** How long a host is silent, of the time in which we have listened; undefined: it is not. */
export function silenceOfHost(
  view: View,
  host: Host,
  { now, forMs }: { readonly now: Ms; readonly forMs: Ms }
): Silence | undefined {
  const { heardAt } = view.heard(host.name)
  const isNew = heardAt === undefined
  // Nobody has ever heard of a boot of it, and nothing is placed there: it was let in just now.
  if (isNew && host.decided.bootId === undefined && isEmpty(view, host)) return undefined
  const sinceMs = now - Math.max(heardAt ?? Number.NEGATIVE_INFINITY, view.listeningSince)
  if (!Number.isFinite(sinceMs)) return undefined
  return sinceMs >= (isNew ? view.patience.witnessedMs : forMs) ? { sinceMs, isNew } : undefined
}

const isEmpty = (view: View, { name }: Host): boolean =>
  view.indexes.of('host-instances', name).size === 0
