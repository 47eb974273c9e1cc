/**
 * What a live move costs: it loads the line of both hosts for as long as it takes, and what goes
 * wrong goes wrong meanwhile. So each must gain more the longer it takes. Memory that is written
 * while it is sent is sent again: with the share r of the line that is written each round leaves r
 * of the one before, in all 1 / (1 − r) times the memory. One that writes faster than the line
 * carries crosses at last, or stands still, and is counted as `sentMost`.
 */
import type { Instance } from '#shared/model/instance.ts'
import type { View } from '../view.ts'
import { lineMbitOf } from './measured.ts'

/** What every minute of sending must gain, where nothing else is said. Unit: unevenness. */
export const minuteGainElse = 0.002

/** How often all of the memory is sent at most. */
const sentMost = 4
/** Of a line that says no speed: 1 Gbit/s. Unit: Mbit/s. */
const lineMbitElse = 1_000
/** Of a line, what is left of it for memory. */
const lineShare = 0.9
const mibPerMbit = 1_000_000 / 8 / 1_048_576

/** How long a move takes, and what it must gain for that. */
export type MovePrice = {
  /** Unit: s. */
  readonly seconds: number
  /** As unevenness. */
  readonly price: number
  /** What that is reckoned with. */
  readonly because: string
}

/** Reckons what it costs to send an instance from one host to another. */
export function movePrice(
  view: View,
  move: { readonly instance: Instance; readonly from: string; readonly to: string },
  minuteGain: number
): MovePrice {
  const { instance, from, to } = move
  const seen = view.uses.paceOf(instance.id)
  const line = Math.min(lineOf(view, from), lineOf(view, to))
  const speed = seen ? Math.min(seen.mibPerSecond, line) : line
  const written = seen?.writtenMibPerSecond ?? 0
  const times = written >= speed ? sentMost : Math.min(sentMost, 1 / (1 - written / speed))
  const { memoryMib } = instance.decided
  const seconds = (memoryMib * times) / speed
  const how = seen ? `as it went last, writing ${Math.round(written)} MiB/s` : 'as their lines are'
  return {
    seconds,
    price: (minuteGain * seconds) / 60,
    because: `${memoryMib} MiB at ${Math.round(speed)} MiB/s, ${how}`
  }
}

/** What the line of a host carries of memory. Unit: MiB/s. */
function lineOf(view: View, host: string): number {
  const facts = view.heard(host).report?.facts
  return ((facts && lineMbitOf(facts)) ?? lineMbitElse) * lineShare * mibPerMbit
}

/**
 * Of steps in their order whether each earns its price. One half of an exchange may lose what the
 * other one gains: so one that makes things worse earns together with those that follow it at once.
 * One that makes them better pays for itself, whatever else is gained after it.
 */
export function earning(
  steps: readonly { readonly gain: number; readonly price: number }[]
): readonly boolean[] {
  const earns: boolean[] = []
  let after = 0
  for (const { gain, price } of steps.toReversed()) {
    const best: number = gain - price + (gain < 0 ? Math.max(0, after) : 0)
    earns.push(best >= 0)
    after = best
  }
  return earns.reverse()
}
