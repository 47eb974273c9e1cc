/**
 * What is known of a device that may be needed one day: whether it answers, and since when.
 *
 * A packet is lost now and then, and a device that is taken for silent wakes somebody. So one that
 * has answered before is doubted at first, looked at once more soon, and silent when it fails twice
 * in a row. One that never answered is told of at once: somebody has just set it, and waits.
 */

import type { Ms } from '#shared/units.ts'
import { type FenceDeviceState, storyCharsMax } from '#shared/wire/fence.ts'
import type { Seen } from './fence-switch.ts'

/** What came of asking a device how the power is. */
export type Look = Seen | { readonly failure: string }

/** A doubted device is looked at again after so long. Unit: ms. */
export const doubtMs: Ms = 5_000

/** A device that is watched: what is said of it, and how often in a row it gave no answer. */
export type Watched = {
  readonly state: FenceDeviceState
  readonly failures: number
  /** When it was asked last, RFC 3339; left out: not yet. */
  readonly askedAt?: string
}

/** A device that was not asked yet. */
export const unasked = (level: number, name: string): Watched => ({
  state: { level, name: name.slice(0, 1024), power: 'unknown' },
  failures: 0
})

/** Whether a device gave no answer just now, and had before: it is to be asked once more. */
export const isDoubted = ({ state, failures }: Watched): boolean =>
  state.reachable === true && failures > 0

/** Takes in what came of asking; `at` is the wall clock, RFC 3339. */
export function lookedAt({ state, failures }: Watched, look: Look, at: string): Watched {
  if ('power' in look) return { state: stateOf(state, look, at), failures: 0, askedAt: at }
  const failed = { state, failures: failures + 1, askedAt: at }
  const isFirst = isDoubted(failed) && failures === 0
  return isFirst ? failed : { ...failed, state: stateOf(state, look, at) }
}

function stateOf(before: FenceDeviceState, look: Look, at: string): FenceDeviceState {
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
