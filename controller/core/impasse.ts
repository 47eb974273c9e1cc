/**
 * Hosts of which nothing becomes by itself, however long one waits: whoever is not heard and is not
 * taken for dead either, and whoever is taken for dead and is proven off by nothing. What ran there
 * may be down meanwhile, so nobody waits for people without telling them.
 *
 *   what speaks against its death     peers reach it; its machine says that no agent listens; it
 *                                     writes to shared storage and no peer could look for it
 *   what is missing for a proof       a device that reads *off*, or since when it has no lease
 *
 * One that was said to be off, and that speaks in the boot that should be over, is told of at once:
 * until it says what it runs, nothing can be ended there.
 *
 * All others are told once `unwitnessedMs` have passed, whoever leads by then: before, most of them
 * end by themselves. A host whose own watchdog proves it off at a moment that is known is in none.
 */
import type { Host, HostRecovery } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { speaksOn } from './contradiction.ts'
import { fenceWords } from './host-document.ts'
import { canExpire, expiryOf } from './self-fence.ts'
import type { Obstacle, Suspicion } from './suspicion.ts'
import type { View } from './view.ts'

/** Why a host waits for people, and what they can do. */
export type Impasse = {
  readonly at: Obstacle | 'unproven' | 'speaks'
  readonly because: string
  /** Left out: it stands in the reason. */
  readonly next?: string
}

const endedWords = 'it has no lease, so what others could start has ended there'

/** Finds what a host waits for that no time will end; undefined: nothing. */
export function impasseOf(
  view: View,
  host: Host,
  { suspicion, now }: { readonly suspicion: Suspicion; readonly now: Ms }
): Impasse | undefined {
  if (suspicion.verdict === 'waits' && suspicion.lasts) {
    const { obstacle, next } = suspicion.lasts
    const ended = canExpire(view, host) ? `; ${endedWords}` : ''
    const why = `is not taken for dead, and nothing starts elsewhere: ${suspicion.because}${ended}`
    return { at: obstacle, because: why, next }
  }
  const { recovery } = host.decided
  if (recovery && speaksOn(view, host, recovery)) return speaking(host, recovery)
  if (recovery?.phase !== 'fencing') return undefined
  const sinceMs = now - Math.max(view.lostSince(host.name), view.listeningSince)
  if (!(sinceMs >= view.patience.unwitnessedMs)) return undefined
  if (expiryOf(view, host, recovery)?.at !== undefined) return undefined
  const because =
    `is taken for dead, and not proven off after ${formatMs(sinceMs)}, so nothing starts ` +
    `elsewhere: ${fenceWords(view, host)}`
  const isToldWhat = (host.spec.fence ?? []).length === 0
  return isToldWhat
    ? { at: 'unproven', because }
    : { at: 'unproven', because, next: `if it is off: remuda host confirm-off ${host.name}` }
}

/** Nobody has heard yet what it runs, so nothing can be ended there. */
const speaking = ({ name }: Host, { bootId, proof, contradicted }: HostRecovery): Impasse => ({
  at: 'speaks',
  because:
    `is heard in the boot ${bootId} that should be over ` +
    `(${proof?.because ?? contradicted?.said}): what has started elsewhere may run twice until ` +
    'it reports; nothing more starts elsewhere meanwhile',
  next: `if its report does not come: see to the agent of ${name} and its libvirt, or cut its power`
})
