/**
 * The brake: where too many hosts go missing at once, the fault may be the network's or ours, and
 * none of them is fenced until people have looked.
 *
 * "At once" is by the moments at which they were lost. Whoever was lost within a minute of a host
 * counts with it for as long as it is missing: no waiting lets the brake go. Whoever was missing
 * long before is another matter, of which people were told: it counts neither among those that are
 * missing nor among all, or a host with a dead agent would keep all others from being healed. A
 * host that was proven off counts for a minute.
 *
 * How many may be missing is a share of those in service, at least one, and at least as many as
 * admission keeps room for, as long as that is fewer than half of them.
 */
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import { listed } from './refusal.ts'
import { corroborationOf, silenceOfHost } from './silence.ts'
import type { View } from './view.ts'

/** Losses within this time count together. */
export const brakeWindowMs: Ms = 60_000
/** More than this share of all hosts at once is no accident of hosts; others can be set. */
const brakeShare = 1 / 3
/** So many may always be lost at once. */
const brakeHostsMin = 1
/** In a rack of fewer all of them may well die by themselves. */
const rackHostsMin = 3

/** Hosts that are missing, and how many hosts there are in service. */
export type Missing = {
  /** When each was lost, by its name. */
  readonly lost: ReadonlyMap<string, Ms>
  readonly total: number
  /** Racks of several hosts of which all are missing. */
  readonly wholeRacks: ReadonlySet<string>
}

/** Who has gone missing together with one host. */
export type Brake = {
  readonly together: readonly string[]
  /** Hosts in service, without those that were missing before. */
  readonly total: number
  /** So many at once are still fenced. */
  readonly most: number
  /** Who was missing long before. */
  readonly before: readonly string[]
}

/** Judges those that have gone missing together with a host. */
export function brakeOf(view: View, host: string, { lost, total }: Missing): Brake {
  const at = lost.get(host) ?? Number.POSITIVE_INFINITY
  const names = [...lost.keys()]
  const isBefore = (name: string): boolean => lost.get(name)! < at - brakeWindowMs
  const together = names.filter(name => Math.abs(lost.get(name)! - at) <= brakeWindowMs)
  const before = names.filter(isBefore)
  const left = total - before.length
  return { together, total: left, most: mostOf(view, left), before }
}

/** Judges those that have gone missing last. */
export function lastBrakeOf(view: View, missing: Missing): Brake {
  const [last] = [...missing.lost].sort(([, a], [, b]) => b - a)
  if (last) return brakeOf(view, last[0], missing)
  const { total } = missing
  return { together: [], total, most: mostOf(view, total), before: [] }
}

function mostOf({ cloud }: View, total: number): number {
  const { brakePercent, reserveHosts = 0 } = cloud?.healing ?? {}
  const share = brakePercent === undefined ? brakeShare : brakePercent / 100
  // A third of three is one, however it is rounded.
  const shared = Math.floor(total * share + 1e-9)
  const fewerThanHalf = Math.ceil(total / 2) - 1
  return Math.max(brakeHostsMin, shared, Math.min(reserveHosts, fewerThanHalf))
}

/** What holds, to follow why somebody is suspected. */
export function brakeWords({ together, total, most, before }: Brake): string {
  const long = before.length === 0 ? '' : `; missing for longer: ${listed(before)}`
  return (
    `${together.length} of ${total} hosts are missing at once, more than ${most}: ` +
    `the fault may be the network's or ours (${together.slice(0, 5).join(', ')})${long}`
  )
}

/** Counts them when it is first asked for, and never again: for one moment only. */
export function missingOnce(view: View, now: Ms): () => Missing {
  let counted: Missing | undefined
  return () => {
    counted ??= missingHosts(view, now)
    return counted
  }
}

/** Hosts that are missing, and how many hosts there are in service. */
export function missingHosts(view: View, now: Ms): Missing {
  const lost = new Map<string, Ms>()
  const racks = new Map<string, { hosts: number; isWhole: boolean }>()
  let total = 0
  for (const host of view.all('host').values()) {
    const { approval, duty, recovery, fenceTest } = host.decided
    if (approval !== 'approved' || duty?.state === 'maintenance' || fenceTest) continue
    total += 1
    const isLost = recovery
      ? recovery.phase === 'fencing' || now - lossOf(view, host, now) < brakeWindowMs
      : silenceOfHost(view, host, { now, forMs: view.patience.brakeMs }) !== undefined
    if (isLost) lost.set(host.name, lossOf(view, host, now))
    const rack = host.labels['rack'] ?? ''
    const { hosts, isWhole } = racks.get(rack) ?? { hosts: 0, isWhole: true }
    racks.set(rack, { hosts: hosts + 1, isWhole: isWhole && isLost })
  }
  const whole = [...racks].filter(([, { hosts, isWhole }]) => isWhole && hosts >= rackHostsMin)
  return { lost, total, wholeRacks: new Set(whole.map(([rack]) => rack)) }
}

/**
 * When it was lost. Of one that this controller has never heard people's clocks say it, where an
 * earlier one took it for dead: the brake shall not be loose because the lead has changed hands.
 * Else its peers do, where all of them have missed it for long.
 */
function lossOf(view: View, host: Host, now: Ms): Ms {
  const { recovery } = host.decided
  const { heardAt } = view.heard(host.name)
  const takenAt = view.lostSince(host.name)
  if (heardAt !== undefined) {
    return recovery && Number.isFinite(takenAt) ? Math.min(heardAt, takenAt) : heardAt
  }
  if (recovery) {
    const agoMs = view.turn.wall + now - view.turn.monotonic - Date.parse(recovery.since)
    return agoMs >= 0 ? now - agoMs : view.listeningSince
  }
  const { verdict, missedMs } = corroborationOf(view, host, now)
  return verdict === 'agreed' && missedMs > 0 ? now - missedMs : view.listeningSince
}
