/**
 * Which instances may be started now. One whose wish names others in `after` waits until each of
 * them is ready:
 *
 *   it is gone, or wished to be stopped or paused   it is not waited for: it need never be ready
 *   its host says that it is ready                  it is waited for no more
 *   else                                            it is waited for
 *   … and its time is over                          as its own `readiness.late` says
 *
 * Only starts wait. An order says `hold` of whoever must not be started yet, and the agent lets all
 * that runs go on; so nothing is ever stopped because another one went away, and whoever takes over
 * the lead needs to know nothing of what was let go before: it judges by what hosts report.
 */
import type { Instance } from '#shared/model/instance.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { phaseOf } from './liveness.ts'
import { reportedIn } from './reported.ts'
import { startsMaxOf } from './starts-max.ts'
import { subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** The time of those whose wish says nothing of readiness. Unit: ms. */
export const lateMsDefault: Ms = 300_000

/**
 * Hosts tell how things are every two seconds. One whose agent speaks, and whose libvirt has not
 * answered for so long, does not know whether a guest is still ready. Unit: ms.
 */
const believedMs: Ms = 20_000

/** How one stands that another one comes after; `over`: its time is, and it is not waited for. */
export type Before = {
  readonly name: string
  /** Undefined: there is none of that name. */
  readonly instance: Instance | undefined
  readonly stands: 'ready' | 'not-wanted' | 'waits' | 'over'
  /** For how long it has been waited for, as far as this controller knows. */
  readonly waitedMs: Ms
}

/** How those stand that an instance comes after, in the order of its wish. */
export const beforeOf = (view: View, instance: Instance, now: Moment): readonly Before[] =>
  (instance.spec.after ?? []).map(name => oneBefore(view, { instance, name }, now))

/** Whether an instance must not be started yet, if it does not run. */
export function isHeld(view: View, instance: Instance, now: Moment): boolean {
  const { after } = instance.spec
  if (after === undefined || after.length === 0) return false
  const waits = after.some(name => {
    const other = view.named('instance', name, instance.tenant)
    return standsOf(view, { instance, other }, now) === 'waits'
  })
  return waits && !wentOn(view, instance)
}

/** What ran when it was moved goes on where it is now, whoever is ready. */
const wentOn = (view: View, instance: Instance): boolean =>
  view
    .history(subjectOf(instance))
    // What hosts saw of its way may come into the history after that it has moved.
    .findLast(({ by, verb }) => !by.startsWith('agent/') || verb === 'instance-started')?.verb ===
  'moved'

function oneBefore(
  view: View,
  { instance, name }: { readonly instance: Instance; readonly name: string },
  now: Moment
): Before {
  const other = view.named('instance', name, instance.tenant)
  const waitedMs = other ? waitedFor(view, { instance, other }, now) : 0
  return { name, instance: other, waitedMs, stands: standsOf(view, { instance, other }, now) }
}

function standsOf(
  view: View,
  { instance, other }: { readonly instance: Instance; readonly other: Instance | undefined },
  now: Moment
): Before['stands'] {
  if (!other || other.decided.deletedAt !== undefined) return 'not-wanted'
  if (other.spec.desiredPower !== 'running') return 'not-wanted'
  const seen = isFresh(view, other, now) ? seenNow(view, other, now) : undefined
  if (isReady(other, seen)) return 'ready'
  const { timeoutMs, late } = other.spec.readiness ?? { timeoutMs: lateMsDefault, late: 'wait' }
  if (late !== 'go-on') return 'waits'
  const isLate = seen?.ready === 'late' || waitedFor(view, { instance, other }, now) >= timeoutMs
  return isLate ? 'over' : 'waits'
}

function waitedFor(
  view: View,
  { instance, other }: { readonly instance: Instance; readonly other: Instance },
  now: Moment
): Ms {
  const since = view.starts.since(instance.id, other.id)
  return since === undefined ? 0 : now.monotonic - since
}

/** Whether its host has told of late how things are there. */
function isFresh(view: View, { decided }: Instance, now: Moment): boolean {
  const { reportAt } = view.heard(decided.host ?? '')
  return reportAt !== undefined && now.monotonic - reportAt <= believedMs
}

/** What its host says of it; undefined where that is not heard, or not believed any more. */
function seenNow(view: View, { id, decided }: Instance, now: Moment): ReportInstance | undefined {
  const host = decided.host === undefined ? undefined : view.named('host', decided.host)
  if (!host || host.decided.recovery) return undefined
  const heard = view.heard(host.name)
  const phase = phaseOf(host, heard, now.monotonic)
  if (phase !== 'online' && phase !== 'late') return undefined
  return heard.report && reportedIn(heard.report.instances, id)
}

/** One that runs, and whose gates have all been open in this run, where its wish names any. */
function isReady({ spec }: Instance, seen: ReportInstance | undefined): boolean {
  if (seen?.power !== 'running') return false
  const { tcp, guestAgent = false, phoneHome = false } = spec.readiness ?? {}
  return (tcp === undefined && !guestAgent && !phoneHome) || seen.ready === 'ready'
}

const startedPowers: ReadonlySet<string> = new Set(['running', 'paused', 'stopping'])

/** Whether its host says that it has been started, so that it waits for nobody. */
export function isStarted(view: View, instance: Instance, now: Moment): boolean {
  const seen = seenNow(view, instance, now)
  return seen !== undefined && startedPowers.has(seen.power)
}

/** Whether it is wished to run, or to be paused, which begins alike. */
export const isWanted = ({ spec, decided }: Instance): boolean =>
  spec.desiredPower !== 'stopped' && decided.deletedAt === undefined

/** Notes who waits for whom at this moment, so that it is known for how long. */
export function noteStartWaits(view: View, now: Moment): void {
  view.starts.keep(waitingPairs(view, now), now.monotonic)
}

function* waitingPairs(view: View, now: Moment): Iterable<readonly [string, string]> {
  for (const id of view.indexes.afterOthers) {
    const instance = view.get('instance', id)
    if (!instance || !isWanted(instance) || isStarted(view, instance, now)) continue
    for (const { stands, instance: other } of beforeOf(view, instance, now)) {
      if (other && (stands === 'waits' || stands === 'over')) yield [id, other.id]
    }
  }
}

/** What was last said to a host of who may be started. */
export type SaidOfStarts = {
  /** Ids of those that it was told not to start yet. */
  readonly held: ReadonlySet<string>
  /** How many it was told to start at once. */
  readonly startsMax: number | undefined
  readonly at: Ms
}

/** A host that still goes by something else is told again after so long. Unit: ms. */
const tellAgainMs: Ms = 1_000

/** Names of the hosts whose last order no longer says rightly who may be started. */
export function hostsToTell(
  view: View,
  sent: { readonly saidOfStarts: (host: string) => SaidOfStarts | undefined },
  now: Moment
): ReadonlySet<string> {
  const hosts = new Set<string>()
  for (const host of view.all('host').values()) {
    const last = sent.saidOfStarts(host.name)
    if (last && last.startsMax !== startsMaxOf(view, host)) hosts.add(host.name)
  }
  for (const id of view.indexes.afterOthers) {
    const instance = view.get('instance', id)
    const host = instance?.decided.host
    const last = host === undefined ? undefined : sent.saidOfStarts(host)
    // Whoever was told nothing yet is told all of it anyway.
    if (!instance || host === undefined || !last || hosts.has(host)) continue
    const held = isWanted(instance) && isHeld(view, instance, now)
    const isLost =
      !held && now.monotonic - last.at >= tellAgainMs && isLeftWaiting(view, instance, now)
    if (last.held.has(id) !== held || isLost) hosts.add(host)
  }
  return hosts
}

/** The word by which agents say that they hold one back for others. */
export const heldReason = 'others-not-ready'

const isLeftWaiting = (view: View, instance: Instance, now: Moment): boolean =>
  seenNow(view, instance, now)?.reason === heldReason

/** The sentence part that says for how long it has been waited. */
export const waitedWords = ({ waitedMs }: Before): string =>
  waitedMs > 0 ? ` for ${formatMs(waitedMs)}` : ''
