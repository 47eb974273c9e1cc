/**
 * Emptying a host, and filling it again.
 *
 *             drain                  nothing that can leave is left
 *   (in use) ───────► draining ───────────────────────────────────► maintenance
 *      ▲                 │ resume                                        │ resume
 *      └─────────────────┴──────────── instances come back, if wished ◄──┘
 *
 * - Those that leave do so as single moves, so many at once; see departure.ts for who can, and
 *   moves.ts for why never two copies of one run.
 * - A move that came to nothing is begun again after a while, for as long as the wish stands.
 * - As long as an instance runs that could leave if only there were room, the host is not out of
 *   service: it is watched, and fenced when it dies. What cannot leave at all does not hold it up.
 * - Whatever is to be remembered is in the host's journal record, so that the next controller goes
 *   on where this one ends.
 */
import type { Host, HostDuty, HostReturning, MoveTries } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import type { Instance, MovePace } from '#shared/model/instance.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import { moveInstance } from './admission/instance-move.ts'
import type { Change, Commit } from './commit.ts'
import { type Departure, departures, type Leave, leaversOf } from './departure.ts'
import { phaseOf } from './liveness.ts'
import { notification } from './notification.ts'
import { isRefusal, listed } from './refusal.ts'
import { subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** That a host cannot be emptied is told again after so long, if the reasons are others. */
const toldAgainMs: Ms = 60_000
/**
 * A host that is filled again may have just booted, and not have said yet what it can run and which
 * pools it sees: those for which it cannot be used are waited with for so long. Unit: ms.
 */
const unfitMsMax: Ms = 120_000
/** Instances that do not come back within so long stay where they are. */
const returningMsMax: Ms = 1_800_000

/** Decides what comes next of hosts that are emptied, out of service, or filled again. */
export function* drains(view: View, context: Context): Iterable<Commit | undefined> {
  if (view.indexes.onDuty.size === 0) return
  for (const { id } of [...view.all('host').values()]) {
    const host = view.get('host', id)
    if (!host || host.decided.recovery || host.decided.deletedAt) continue
    const { duty, returning } = host.decided
    if (duty?.state === 'draining') yield* draining(view, host, context)
    else if (duty?.reboot) yield* rebooted(view, host, context)
    else if (returning) yield* homecoming(view, host, context)
  }
}

/** What becomes of each instance of a host that is emptied, the most important first. */
export function departuresOf(
  view: View,
  wish: { readonly host: Host; readonly cold: boolean; readonly tries: MoveTries | undefined },
  options: Pick<Context, 'now'> & { readonly turns?: boolean }
): Iterable<Departure> {
  const { host, cold, tries } = wish
  return departures(view, leavesOf(view, leaversOf(view, host.name), { cold, tries }), options)
}

/** Each as it is when its turn comes: between two of them others may have been recorded. */
function* leavesOf(
  view: View,
  instances: readonly Instance[],
  how: Omit<Leave, 'instance'>
): Iterable<Leave> {
  for (const { id } of instances) {
    const instance = view.get('instance', id)
    if (instance?.decided.host !== undefined) yield { instance, ...how }
  }
}

/** How many instances of a host are on their way to others. */
const leavingFrom = (view: View, host: string): number =>
  leaversOf(view, host).filter(({ decided }) => decided.moving).length

function* draining(view: View, host: Host, context: Context): Iterable<Commit | undefined> {
  const { parallel, cold, tries } = host.decided.duty!
  let free = parallel - leavingFrom(view, host.name)
  if (free <= 0) return
  const found: Departure[] = []
  for (const departure of departuresOf(view, { host, cold, tries }, context)) {
    found.push(departure)
    if (departure.state !== 'goes') continue
    const commit = departing(view, { host, departure }, context)
    yield commit
    if (commit) free -= 1
    if (free <= 0) return
  }
  const is = (...states: readonly Departure['state'][]): readonly Departure[] =>
    found.filter(({ state }) => states.includes(state))
  if (is('leaving', 'goes', 'waits').length > 0) return
  if (view.indexes.of('host-arrivals', host.name).size > 0) return
  if (saysOthers(view, host, context.now)) return
  if (is('held').length > 0) yield stuck(view, { host, held: is('held') }, context)
  else yield emptied(view, { host, stays: is('stays') }, context)
}

/**
 * Whether the host has yet to say that the last ones to leave are gone. Who waits for the end of
 * the drain wants to reboot it, and that is refused while it says so.
 */
function saysOthers(view: View, host: Host, now: Moment): boolean {
  const heard = view.heard(host.name)
  const phase = phaseOf(host, heard, now.monotonic)
  if (phase === 'unknown' || phase === 'silent') return false
  const said = heard.report?.instances ?? []
  return said.some(
    ({ id, power, move }) =>
      power !== 'stopped' && move?.stand === 'gone' && isElsewhere(view, host, id)
  )
}

const isElsewhere = (view: View, host: Host, id: string): boolean =>
  view.get('instance', id)?.decided.host !== host.name

type Going = { readonly host: Host; readonly departure: Departure }

/** Records the beginning of a move together with that it was tried. */
function departing(view: View, going: Going, context: Context): Commit | undefined {
  const host = view.get('host', going.host.id)
  const duty = host?.decided.duty
  if (!host || duty?.state !== 'draining') return undefined
  const { tries: before, pace } = duty
  const given = { ...going, host, tries: before, pace, because: `${host.name} is emptied` }
  return begun(view, given, context, tries => ({ duty: { ...duty, tries } }))
}

function begun(
  view: View,
  given: Going & {
    readonly tries: MoveTries | undefined
    readonly pace: MovePace | undefined
    readonly because: string
  },
  context: Context,
  noted: (tries: MoveTries) => { readonly duty: HostDuty } | { readonly returning: HostReturning }
): Commit | undefined {
  const { host, departure, because } = given
  if (departure.state !== 'goes') return undefined
  const { instance, to, live } = departure
  const count = (given.tries?.[instance.id]?.count ?? 0) + 1
  const again = count > 1 ? ` (attempt ${count})` : ''
  // What is wished of an instance comes before what is wished for all of its host.
  const pace = { ...given.pace, ...instance.spec.migration }
  const wish = { instance, to, live, pace, because: `${because}${again}` }
  const verdict = moveInstance(view, wish, context)
  if (isRefusal(verdict)) return undefined
  const { changes, decisions } = verdict.commit
  const kept = Object.entries(given.tries ?? {}).filter(([id]) => view.get('instance', id))
  const tries = { ...Object.fromEntries(kept), [instance.id]: { count, at: isoOf(context), to } }
  const after: Host = { ...host, decided: { ...host.decided, ...noted(tries) } }
  return { changes: [...changes, { op: 'put', resource: after }], decisions }
}

/** Nothing is left that can leave. */
function emptied(
  view: View,
  { host, stays }: { readonly host: Host; readonly stays: readonly Departure[] },
  context: Context
): Commit {
  const { tries: _, ...duty } = host.decided.duty!
  const after: Host = {
    ...host,
    decided: { ...host.decided, duty: { ...duty, state: 'maintenance', since: isoOf(context) } }
  }
  const total = duty.had?.length ?? 0
  const left = total - here(view, host, duty.had ?? []).length
  const took = formatMs(Math.max(0, context.now.wall - Date.parse(duty.since)))
  const still =
    duty.stillMsMax === undefined ? '' : `, the longest stood still ${duty.stillMsMax} ms`
  const rest = stays.length === 0 ? '' : `; ${stays.length} stay: ${reasonsOf(stays)}`
  const message = `out of service: ${left} of ${total} instances left in ${took}${still}${rest}`
  const severity = stays.length === 0 ? 'notice' : 'warning'
  return told(view, { host, after, reason: 'drained', message, severity }, context)
}

/** Says what holds the host up, but not in each turn. */
function stuck(
  view: View,
  { host, held }: { readonly host: Host; readonly held: readonly Departure[] },
  context: Context
): Commit | undefined {
  const message =
    `cannot be emptied now: ${held.length} cannot leave: ${reasonsOf(held)}; ` +
    `tried again as soon as anything changes, until: remuda host resume ${host.name}`
  const reason = 'drain-held'
  const seen = { host, after: undefined, reason, message, severity: 'warning' as const }
  const commit = told(view, seen, context)
  const [event] = commit.changes.flatMap(change => (change.op === 'put' ? [change.resource] : []))
  const before = event && view.get('event', event.id)
  if (!before || before.decided.lastAt < host.decided.duty!.since) return commit
  if (before.spec.message === message) return undefined
  const sinceMs = context.now.wall - Date.parse(before.decided.lastAt)
  return Math.abs(sinceMs) < toldAgainMs ? undefined : commit
}

const reasonsOf = (some: readonly Departure[]): string =>
  listed(some.map(({ instance, because }) => `${instance.name} (${because})`))

/** Those of a list of ids that are on a host. */
const here = (view: View, host: Host, ids: readonly string[]): readonly string[] =>
  ids.filter(id => view.get('instance', id)?.decided.host === host.name)

/** A machine that was to boot anew has done so. */
function* rebooted(view: View, host: Host, context: Context): Iterable<Commit> {
  const { reboot, ...duty } = host.decided.duty!
  const bootId = view.heard(host.name).report?.bootId
  if (!reboot || bootId === undefined || bootId === reboot.bootId) return
  const took = formatMs(Math.max(0, context.now.wall - Date.parse(reboot.at)))
  const message = `has booted anew as wished by ${reboot.by}, in ${took}: boot ${bootId}`
  const after: Host = { ...host, decided: { ...host.decided, duty } }
  yield told(view, { host, after, reason: 'host-rebooted', message, severity: 'notice' }, context)
}

/** What becomes of those that are to come back to a host and have not. */
export function homecomersOf(view: View, host: Host, now: Moment): Iterable<Departure> {
  const { awaited = [], cold = false, tries } = host.decided.returning ?? {}
  const away = awaited.flatMap(id => view.get('instance', id) ?? []).filter(isAwayFrom(host))
  const leaves = leavesOf(view, away, { cold, tries })
  return departures(view, leaves, { now, targets: [host.name] })
}

/** Brings back, so many at once, what has left a host while it was emptied. */
function* homecoming(view: View, host: Host, context: Context): Iterable<Commit | undefined> {
  const { awaited, parallel, since } = host.decided.returning!
  const { now } = context
  const age = now.wall - Date.parse(since)
  const phase = phaseOf(host, view.heard(host.name), now.monotonic)
  const isOver = age > returningMsMax
  if (phase !== 'online' && phase !== 'late' && !isOver) return
  const away = awaited.flatMap(id => view.get('instance', id) ?? []).filter(isAwayFrom(host))
  let free = parallel - away.filter(({ decided }) => decided.moving).length
  if (free <= 0) return
  const found: Departure[] = []
  for (const departure of homecomersOf(view, host, now)) {
    found.push(departure)
    if (departure.state !== 'goes' || isOver) continue
    const commit = comingBack(view, { host, departure }, context)
    yield commit
    if (commit) free -= 1
    if (free <= 0) return
  }
  const isOn = ({ state }: Departure) =>
    ['leaving', 'goes', 'waits'].includes(state) || (state === 'held' && age <= unfitMsMax)
  if (!isOver && found.some(isOn)) return
  yield returned(view, { host, stays: found }, context)
}

/** One that is still here, and on its way from here, has to leave before it can come back. */
const isAwayFrom =
  ({ name }: Host) =>
  ({ decided: { host, moving } }: Instance): boolean =>
    host !== undefined && (host !== name || moving !== undefined)

function comingBack(view: View, going: Going, context: Context): Commit | undefined {
  const host = view.get('host', going.host.id)
  const returning = host?.decided.returning
  if (!host || !returning) return undefined
  const { tries: before, pace } = returning
  const given = { ...going, host, tries: before, pace, because: `${host.name} is back` }
  return begun(view, given, context, tries => ({ returning: { ...returning, tries } }))
}

function returned(
  view: View,
  { host, stays }: { readonly host: Host; readonly stays: readonly Departure[] },
  context: Context
): Commit {
  const { returning, ...decided } = host.decided
  const awaited = returning?.awaited ?? []
  const back = here(view, host, awaited).length
  const rest = stays.length === 0 ? '' : `; ${stays.length} stay elsewhere: ${reasonsOf(stays)}`
  const message = `${back} of ${awaited.length} instances that had left are back${rest}`
  const severity = stays.length === 0 ? 'notice' : 'warning'
  const after: Host = { ...host, decided }
  return told(view, { host, after, reason: 'returned', message, severity }, context)
}

function told(
  view: View,
  given: {
    readonly host: Host
    readonly after: Host | undefined
    readonly reason: string
    readonly message: string
    readonly severity: 'notice' | 'warning'
  },
  context: Context
): Commit {
  const { host, after, reason, message, severity } = given
  const subject = subjectOf(host)
  const seen = { subject, reason, message, severity, source: 'controller', at: isoOf(context) }
  const resources: readonly Resource[] = [
    notification(view, seen, context),
    ...(after ? [after] : [])
  ]
  return {
    changes: resources.map((resource): Change => ({ op: 'put', resource })),
    decisions: [decision(context, reason, message, subject)]
  }
}
