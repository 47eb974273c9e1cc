/** Watches hosts that were told to boot anew: one that does not come back is an alarm. */
import type { Host } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Moment } from './view.ts'

/** Servers test their memory for minutes at a start; by then one is up, or stands still. */
const rebootMsMax: Ms = 15 * 60_000

/** Since when a host is to boot anew and has not, for far too long; undefined: it has, or may. */
export function lateReboot({ decided }: Host, now: Moment): string | undefined {
  const at = decided.duty?.reboot?.at
  return at !== undefined && now.wall - Date.parse(at) > rebootMsMax ? at : undefined
}

/** What is told of it, and what people can do. */
export function wordsOfReboot({ name }: Host, at: string, now: Moment): string {
  const ago = formatMs(now.wall - Date.parse(at))
  return (
    `it was told to boot anew ${ago} ago, and its new boot has not been heard: ` +
    `remuda host boot-log ${name} or its console (remuda power console ${name}) shows where it ` +
    `stands, remuda power cycle ${name} starts it once more`
  )
}
