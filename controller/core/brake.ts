/**
 * The brake: where too many hosts go missing at once, the fault may be the network's or ours, and
 * nobody is fenced until people have looked.
 *
 * "At once" is by the moments at which they were lost. Hosts that were lost within a minute of one
 * of them count together for as long as they are missing: no waiting lets the brake go, and whoever
 * is lost later waits with them, since the trouble may be spreading. Those that went missing long
 * before, too few at a time for the brake, are another matter, which people were told: they count
 * neither among the missing nor among all, or a host with a dead agent would keep all others from
 * being healed. A host that was proven off counts for a minute.
 *
 * Where the brake held and hosts are heard again, the last of them is heard some seconds after the
 * first, and is alive all the same: each of them counts for some time more, or the brake would let
 * go in the moment in which the line is mended, and the last ones would be fenced.
 *
 * How many may be missing is a share of those in service, at least one, and at least as many as
 * admission keeps room for, as long as that is fewer than half of them.
 */
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import { listed } from './refusal.ts'
import { corroborationOf, silenceOfHost } from './silence.ts'
import type { Patience } from './suspicion-times.ts'
import type { View } from './view.ts'

/** Losses within this time count together. */
const brakeWindowMs: Ms = 60_000
/** More than this share of all hosts at once is no accident of hosts; others can be set. */
const brakeShare = 1 / 3
/** So many may always be lost at once. */
const brakeHostsMin = 1
/** In a rack of fewer all of them may well die by themselves. */
const rackHostsMin = 3

/** Who has gone missing at once. */
export type Brake = {
  readonly together: readonly string[]
  /** Hosts in service, without those that were missing before. */
  readonly total: number
  /** So many at once are still fenced. */
  readonly most: number
  /** Who was missing long before. */
  readonly before: readonly string[]
  /** Those of them that are heard again, too short a time ago to be counted out. */
  readonly back: readonly string[]
}

/** Hosts that are missing. */
export type Missing = {
  /** The most that were lost at once, if those are too many; else those that were lost last. */
  readonly brake: Brake
  /** Racks of several hosts of which all are missing. */
  readonly wholeRacks: ReadonlySet<string>
}

/** Whether so many are missing that nobody is fenced. */
export const isBraked = ({ together, most }: Brake): boolean => together.length > most

/** When a host was lost. */
type Loss = { readonly name: string; readonly at: Ms; readonly isBack: boolean }

/** Finds those that were lost within a window of any one; what they are among is who was left. */
function brakeOf(view: View, losses: readonly Loss[], total: number): Brake {
  const sorted = [...losses].sort((a, b) => a.at - b.at)
  let [from, until] = [0, 0]
  let widest: readonly [from: number, until: number] | undefined
  for (const { at } of sorted) {
    while (sorted[from]!.at < at - brakeWindowMs) from += 1
    while (until < sorted.length && sorted[until]!.at <= at + brakeWindowMs) until += 1
    const count = until - from
    if (count <= mostOf(view, total - from)) continue
    if (!widest || count > widest[1] - widest[0]) widest = [from, until]
  }
  const [begin, end] = widest ?? [from, until]
  const within = sorted.slice(begin, end)
  const together = within.map(({ name }) => name).sort()
  const back = within.flatMap(({ name, isBack }) => (isBack ? [name] : [])).sort()
  const long = sorted.slice(0, begin).filter(({ isBack }) => !isBack)
  const [before, left] = [long.map(({ name }) => name).sort(), total - long.length]
  return { together, before, total: left, most: mostOf(view, left), back }
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
export function brakeWords({ together, total, most, before, back }: Brake): string {
  const again = back.length === 0 ? '' : `; heard again only now: ${listed(back)}`
  const long = before.length === 0 ? '' : `; missing for longer: ${listed(before)}`
  return (
    `${together.length} of ${total} hosts are missing at once, more than ${most}: ` +
    `the fault may be the network's or ours (${together.slice(0, 5).join(', ')})${long}${again}`
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

/** Looks at all hosts. */
export function missingHosts(view: View, now: Ms): Missing {
  const losses: Loss[] = []
  const racks = new Map<string, { hosts: number; isWhole: boolean }>()
  let total = 0
  for (const host of view.all('host').values()) {
    const { approval, duty, recovery, fenceTest } = host.decided
    if (approval !== 'approved' || duty?.state === 'maintenance' || fenceTest) continue
    total += 1
    const isLost = recovery
      ? recovery.phase === 'fencing' || now - lossOf(view, host, now) < brakeWindowMs
      : silenceOfHost(view, host, { now, forMs: view.patience.brakeMs }) !== undefined
    const { back } = view.heard(host.name)
    if (isLost) losses.push({ name: host.name, at: lossOf(view, host, now), isBack: false })
    else if (!recovery && back && now - back.at < lingerMs(back, view.patience)) {
      losses.push({ name: host.name, at: back.lostAt, isBack: true })
    }
    const rack = host.labels['rack'] ?? ''
    const { hosts, isWhole } = racks.get(rack) ?? { hosts: 0, isWhole: true }
    racks.set(rack, { hosts: hosts + 1, isWhole: isWhole && isLost })
  }
  const whole = [...racks].filter(([, { hosts, isWhole }]) => isWhole && hosts >= rackHostsMin)
  const wholeRacks = new Set(whole.map(([rack]) => rack))
  const brake = brakeOf(view, losses, total)
  lastJudged.set(view, { at: now, brake })
  return { brake, wholeRacks }
}

/** Hosts that may be proven off soon: they are being fenced, or are missing for no longer. */
export function missingNames(view: View, now: Ms): readonly string[] {
  const isMissing = (host: Host): boolean => {
    const { approval, duty, recovery, fenceTest } = host.decided
    if (approval !== 'approved' || duty?.state === 'maintenance' || fenceTest) return false
    if (recovery) return recovery.phase === 'fencing'
    const silence = silenceOfHost(view, host, { now, forMs: view.patience.brakeMs })
    return silence !== undefined && silence.sinceMs < brakeWindowMs
  }
  return [...view.all('host').values()].filter(isMissing).map(({ name }) => name)
}

/** How it was judged last; only what was held then is back, whatever we ourselves have missed. */
const lastJudged = new WeakMap<View, { readonly at: Ms; readonly brake: Brake }>()
/** It is judged with each turn while anybody is suspected; what is older is over. Unit: ms. */
const judgedMsMax: Ms = 1_000

/** How long one that is back still counts: those lost with it are dialled the later, the longer. */
const lingerMs = (back: { readonly lostAt: Ms; readonly at: Ms }, times: Patience): Ms =>
  Math.min(times.hungMs, times.suspectMs + back.at - back.lostAt)

/**
 * When a host was lost that is heard at this moment, and that the brake has held until now;
 * undefined: it was not missing, or not held.
 */
export function heldLossOf(view: View, name: string, now: Ms): Ms | undefined {
  const { heardAt } = view.heard(name)
  const { brakeMs, newcomerMs } = view.patience
  // A controller that has just begun hears one after the other.
  const leastMs = heardAt === undefined ? newcomerMs : brakeMs
  const since = Math.max(heardAt ?? Number.NEGATIVE_INFINITY, view.listeningSince)
  if (now - since < leastMs) return undefined
  const host = view.named('host', name)
  if (!host || host.decided.recovery) return undefined
  const last = lastJudged.get(view)
  if (last === undefined || now - last.at > judgedMsMax || !isBraked(last.brake)) return undefined
  return last.brake.together.includes(name) ? lossOf(view, host, now) : undefined
}

/**
 * When it was lost. Of one that this controller has never heard its peers say it, where all of them
 * have missed it for long; else it counts as lost when we began to listen. Only of one that is
 * proven off people's clocks say it, which may jump: the brake shall not be loose because the lead
 * has changed hands.
 */
function lossOf(view: View, host: Host, now: Ms): Ms {
  const { recovery } = host.decided
  const { heardAt } = view.heard(host.name)
  const takenAt = view.lostSince(host.name)
  if (heardAt !== undefined) {
    return recovery && Number.isFinite(takenAt) ? Math.min(heardAt, takenAt) : heardAt
  }
  if (recovery?.phase === 'fenced') {
    const agoMs = view.turn.wall + now - view.turn.monotonic - Date.parse(recovery.since)
    return agoMs >= 0 ? now - agoMs : view.listeningSince
  }
  const { verdict, missedMs } = corroborationOf(view, host, now)
  return verdict === 'agreed' && missedMs > 0 ? now - missedMs : view.listeningSince
}
