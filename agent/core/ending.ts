import { formatMs, type Ms } from '#shared/units.ts'
import type { Ending } from './restart.ts'

/** libvirt's last words about a domain. */
export type LastEvent = { readonly event: string; readonly detail: string }

/** How a run ended, by libvirt's last words; without them nobody saw it. */
export function endingOf(event: LastEvent | undefined): Ending {
  if (event === undefined) return 'unseen'
  return event.event === 'stopped' && event.detail === 'shutdown' ? 'orderly' : 'by-force'
}

/** Says how a run ended, and after how long. */
export function endingSentence(event: LastEvent | undefined, ranMs: Ms): string {
  const after = `after ${formatMs(Math.max(0, ranMs))}`
  if (event === undefined) return `is gone ${after}; libvirt did not say how it ended`
  const words = `(libvirt: ${event.event}, ${event.detail})`
  if (endingOf(event) === 'orderly') return `shut itself down ${after}`
  return event.detail === 'destroyed'
    ? `was ended by force ${after}, not by this agent ${words}`
    : `broke down ${after} ${words}`
}
