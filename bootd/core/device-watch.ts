/** What is known of a device that may be needed one day: whether it answers, and since when. */
import { type FenceDeviceState, storyCharsMax } from '#shared/wire/fence.ts'
import type { Seen } from './fence-switch.ts'

/** What came of asking a device how the power is. */
export type Look = Seen | { readonly failure: string }

/** A device that was not asked yet. */
export const unasked = (level: number, name: string): FenceDeviceState => ({
  level,
  name: name.slice(0, 1024),
  power: 'unknown'
})

/** Takes in what came of asking; `at` is the wall clock, RFC 3339. */
export function lookedAt(before: FenceDeviceState, look: Look, at: string): FenceDeviceState {
  const reachable = 'power' in look
  const power = reachable ? look.power : 'unknown'
  const because = (reachable ? look.dark : look.failure)?.slice(0, storyCharsMax)
  const { level, name } = before
  const after = { level, name, power, reachable, ...(because !== undefined && { because }) }
  return { ...after, since: isOtherwise(before, after) ? at : before.since! }
}

/** Says whether a device stands otherwise than before, whatever the words of its last failure. */
export const isOtherwise = (before: FenceDeviceState, after: FenceDeviceState): boolean =>
  before.reachable !== after.reachable ||
  before.power !== after.power ||
  (after.reachable === true && before.because !== after.because)

/**
 * Where in a round of polls a host has its place, from 0 to 1: always the same, and spread evenly
 * over many hosts (FNV-1a).
 */
export function placeInRound(host: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < host.length; index++) {
    hash = Math.imul(hash ^ host.charCodeAt(index), 0x01000193)
  }
  // The low bits of short and similar names differ most: fold them up.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32
}
