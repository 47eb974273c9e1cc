/**
 * What becomes of instances whose runs fail again and again. Their host starts them again, later
 * and later (agent/core/restart.ts), and says how many runs in a row have failed. Then:
 *
 *   fails on its host ── too often in a row ──► goes to a host where it has not failed
 *         ▲                                          │ fails there too
 *         └──────────────────────────────────────────┘
 *         │ on as many hosts as it may be tried on, or on all that there are
 *         ▼
 *      failed ── it runs well for a while, or something else is wished ──► (forgotten)
 *
 * - It goes as any other that is shut down for its move, so it never runs twice; see moves.ts.
 * - Only what others could start anyway may go: what is local, pinned or not highly available stays
 *   and is tried again where it is, which is said.
 * - What has failed hops no more. Its last host goes on trying, as seldom as its policy says: what
 *   it lacked may be there again one day.
 * - Where it has failed stands in the journal, so neither a new controller nor an agent that was
 *   started anew begins to count from nothing.
 */
import type { Host } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import { failedMaxElse, type Instance } from '#shared/model/instance.ts'
import type { FailedOn, InstanceCrashes } from '#shared/model/instance-trouble.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Report, ReportInstance } from '#shared/wire/order.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import { type About, demandOfMove, moveInstance, rulesOfMove } from './admission/instance-move.ts'
import type { Change, Commit } from './commit.ts'
import { whyItStays } from './evacuation.ts'
import { failedWords, storyOf } from './failed-words.ts'
import { phaseOf } from './liveness.ts'
import { notification } from './notification.ts'
import { candidatesOf } from './placement/candidates.ts'
import { type Placement, place } from './placement/pipeline.ts'
import { giving, yieldingAmong } from './preemption.ts'
import { isRefusal, listed } from './refusal.ts'
import { reportedIn } from './reported.ts'
import { subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** Where an instance has failed is forgotten once it has run well for so long since. Unit: ms. */
export const forgottenMs: Ms = 600_000
/** The wait after a move that came to nothing; doubles with each further one. Unit: ms. */
const [retryMsMin, retryMsMax] = [5_000, 300_000]
/** A host that so many have left, and no other one as many, may be at fault itself. */
const manyLeft = 3

/** Decides what becomes of instances that fail, and forgets of whom that is no longer true. */
export function* crashes(view: View, context: Context): Iterable<Commit> {
  for (const id of [...view.indexes.crashed]) {
    const instance = view.get('instance', id)
    if (instance && runsWell(view, instance, context.now)) yield forgotten(instance, context)
  }
  for (const host of hostsWithFailing(view)) {
    if (host.decided.recovery) continue
    const heard = view.heard(host.name)
    const phase = phaseOf(host, heard, context.now.monotonic)
    if (!heard.report || (phase !== 'online' && phase !== 'late')) continue
    for (const seen of failingIn(heard.report)) {
      const instance = view.get('instance', seen.id)
      const commit = instance && nextOf(view, { host, instance, seen }, context)
      if (commit) yield commit
    }
  }
}

/** Each as it is when its turn comes: between two of them others may have been recorded. */
function* hostsWithFailing(view: View): Iterable<Host> {
  const { failing } = view.indexes
  if (failing.size === 0) return
  const some = [...view.all('host').values()].filter(({ name }) => failing.has(name))
  for (const { id } of some) {
    const host = view.get('host', id)
    if (host) yield host
  }
}

const failingIn = (report: Report): readonly ReportInstance[] =>
  report.instances.filter(({ failed }) => failed !== undefined)

type Failing = {
  readonly host: Host
  readonly instance: Instance
  readonly seen: ReportInstance
}

/** How many failed runs in a row are too many; 0: none are. */
const runsMaxOf = ({ spec }: Instance): number => spec.failedRunsMax ?? failedMaxElse.runs

/** Whether it has failed too often on its host under this very wish, and does not run now. */
function hasFailed({ host, instance, seen }: Failing): boolean {
  const { spec, decided, generation } = instance
  if (decided.host !== host.name || decided.moving || decided.deletedAt) return false
  if (spec.desiredPower !== 'running' || seen.generation < generation) return false
  const max = runsMaxOf(instance)
  if (max === 0 || (seen.failed?.runs ?? 0) < max) return false
  return seen.power === 'waiting' || seen.power === 'failed' || seen.power === 'starting'
}

function nextOf(view: View, found: Failing, context: Context): Commit | undefined {
  const { host, instance, seen } = found
  if (!hasFailed(found) || instance.decided.crashes?.failed) return undefined
  const crashed = withHost(instance, { host: host.name, ...seen.failed!, at: isoOf(context) })
  const way = wayOut(view, { ...found, crashed }, context.now)
  switch (way.way) {
    case 'waits':
      return undefined
    case 'held':
      return held(view, { ...found, crashed }, way, context)
    case 'failed':
      return failed(view, { ...found, crashed }, way.because, context)
    case 'goes':
      return goes(view, { ...found, crashed }, way, context)
    default:
      return way satisfies never
  }
}

/** With what was found last on this host instead of what was found there before. */
function withHost({ decided: { crashes } }: Instance, here: FailedOn): InstanceCrashes {
  const others = crashes?.hosts.filter(({ host }) => host !== here.host) ?? []
  return { ...crashes, hosts: [...others, here] }
}

type Crashed = Failing & { readonly crashed: InstanceCrashes }

type WayOut =
  | { readonly way: 'waits' }
  | { readonly way: 'goes'; readonly to: string; readonly victims?: readonly Instance[] }
  | { readonly way: 'failed'; readonly because: string }
  | { readonly way: 'held'; readonly kind: 'bound' | 'room'; readonly because: string }

/** Where it can go from the host on which it fails, or why it does not. */
function wayOut(view: View, { host, instance, crashed }: Crashed, now: Moment): WayOut {
  const bound = whyItStays(view, instance)
  if (bound !== undefined) return { way: 'held', kind: 'bound', because: bound }
  const hostsMax = instance.spec.failedHostsMax ?? failedMaxElse.hosts
  if (crashed.hosts.length >= hostsMax) {
    const hosts = hostsMax === 1 ? '1 host' : `${hostsMax} hosts`
    return { way: 'failed', because: `it is tried on at most ${hosts} (failedHostsMax)` }
  }
  if (isRetryEarly(crashed, host, now)) return { way: 'waits' }
  const tried = new Set(crashed.hosts.map(one => one.host))
  const candidates = candidatesOf(view, now.monotonic)
  const others = candidates.filter(one => one.host.name !== host.name)
  const untried = others.filter(one => !tried.has(one.host.name))
  if (others.length > 0 && untried.length === 0) {
    return { way: 'failed', because: 'there is no host on which it has not failed' }
  }
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const about: About = { instance, volumes, host: host.name, live: false }
  const [demand, rules] = [demandOfMove(view, about), rulesOfMove(view, about)]
  const placement = place(demand, untried, rules)
  if (placement.chosen) return { way: 'goes', to: placement.chosen.name }
  const yielding = yieldingAmong(view, { instance, demand, rules, candidates: untried })
  if (yielding) return { way: 'goes', to: yielding.host.name, victims: yielding.victims }
  return { way: 'held', kind: 'room', because: whyNot(placement) }
}

function whyNot({ because, rejected }: Placement): string {
  if (rejected.size === 0) return 'there is no other host'
  return `${because} (${listed([...rejected].map(([host, reason]) => `${host}: ${reason}`))})`
}

/** A move that came to nothing is not begun again at once. */
function isRetryEarly({ tries }: InstanceCrashes, host: Host, now: Moment): boolean {
  if (tries?.from !== host.name) return false
  const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries.count - 1, 10))
  const sinceMs = now.wall - Date.parse(tries.at)
  // A clock that was set back must not make it wait for long.
  return sinceMs >= 0 && sinceMs < waitMs
}

function goes(
  view: View,
  found: Crashed,
  { to, victims }: Extract<WayOut, { readonly way: 'goes' }>,
  context: Context
): Commit | undefined {
  const { host, instance, crashed } = found
  const { held: _, ...story } = crashed
  const count = crashed.tries?.from === host.name ? crashed.tries.count + 1 : 1
  const tries = { from: host.name, count, at: isoOf(context) }
  const leaving = withCrashes(instance, { ...story, tries })
  const because = failedWords(crashed.hosts.at(-1)!)
  const left = victims
    ? goneWhereRoomIsMade(view, { instance: leaving, to, victims, because }, context)
    : moveInstance(view, { instance: leaving, to, live: false, because }, context)
  if (isRefusal(left)) return undefined
  const message = `${storyOf(crashed.hosts)}; it goes on to ${to}`
  const told = [
    eventOf(view, { of: instance, reason: 'crash-loop', message, severity: 'warning' }, context),
    ...suspectOf(view, found, context)
  ]
  const { changes, decisions } = left.commit
  return { changes: [...changes, ...told.map(put)], decisions }
}

/** It is on its way to where there is no room yet; it is sent once those that yield have ended. */
function goneWhereRoomIsMade(
  view: View,
  going: {
    readonly instance: Instance
    readonly to: string
    readonly victims: readonly Instance[]
    readonly because: string
  },
  context: Context
): { readonly commit: Commit } {
  const { instance, to, victims, because } = going
  const why = `after its runs failed on ${instance.decided.host}`
  const { resources, decisions, names } = giving(view, { instance, victims, why }, context)
  const id = context.newId('mv')
  const begun = { to, live: false, startedAt: isoOf(context), phase: 'preparing', step: 1 } as const
  const roomFrom = victims.map(one => one.id)
  const moving = {
    ...instance,
    decided: { ...instance.decided, moving: { id, ...begun }, roomFrom }
  }
  const way = `from ${instance.decided.host} to ${to}, where ${names} makes room for it`
  const moves = decision(context, 'moving', `${because}: ${way}`, subjectOf(instance))
  return {
    commit: {
      changes: [moving, ...resources].map(put),
      decisions: [moves, ...decisions]
    }
  }
}

/** Says what keeps it, once for each host and kind of reason. */
function held(
  view: View,
  { host, instance, crashed }: Crashed,
  { kind, because }: { readonly kind: 'bound' | 'room'; readonly because: string },
  context: Context
): Commit | undefined {
  const before = instance.decided.crashes?.held
  if (before?.host === host.name && before.kind === kind) return undefined
  const after = withCrashes(instance, { ...crashed, held: { host: host.name, kind } })
  const message = heldWords(instance, crashed, because)
  const seen = { of: instance, reason: 'crash-loop', message, severity: 'warning' as const }
  return {
    changes: [after, eventOf(view, seen, context)].map(put),
    decisions: [decision(context, 'crash-loop', message, subjectOf(instance))]
  }
}

const heldWords = (instance: Instance, { hosts }: InstanceCrashes, because: string): string =>
  `${storyOf(hosts)}; it stays there and is started again each ` +
  `${formatMs(instance.spec.restart.delayMsMax)} at the latest, since it cannot go: ${because}`

function failed(view: View, found: Crashed, why: string, context: Context): Commit {
  const { host, instance, crashed } = found
  const message =
    `${storyOf(crashed.hosts)}; no other host is tried: ${why}; ${host.name} still starts it, ` +
    `each ${formatMs(instance.spec.restart.delayMsMax)} at the latest; to begin anew: ` +
    `remuda instance restart ${instance.name}`
  const { held: _, tries: __, ...story } = crashed
  const after = withCrashes(instance, {
    ...story,
    failed: { at: isoOf(context), because: message }
  })
  const seen = { of: instance, reason: 'failed', message, severity: 'alarm' as const }
  return {
    changes: [after, eventOf(view, seen, context)].map(put),
    decisions: [decision(context, 'failed', message, subjectOf(instance))]
  }
}

/** A host that several have left because they failed there, and no other as many, is named. */
function suspectOf(view: View, { host, instance }: Crashed, context: Context): readonly Resource[] {
  const left = new Map<string, string[]>([[host.name, [instance.name]]])
  for (const id of view.indexes.crashed) {
    const one = view.get('instance', id)
    if (!one || one.id === instance.id || one.decided.crashes?.failed) continue
    for (const { host: from } of one.decided.crashes?.hosts ?? []) {
      left.set(from, [...(left.get(from) ?? []), one.name])
    }
  }
  const here = left.get(host.name)!
  const most = Math.max(
    0,
    ...[...left].filter(([from]) => from !== host.name).map(([, n]) => n.length)
  )
  if (here.length < manyLeft || most >= here.length) return []
  const message =
    `${here.length} instances have failed here again and again: ${listed(here.sort())}; ` +
    `on any other host at most ${most} have: it may be the host itself`
  return [
    eventOf(view, { of: host, reason: 'instances-fail', message, severity: 'warning' }, context)
  ]
}

/** It has run for long enough since it last failed anywhere. */
function runsWell(view: View, instance: Instance, now: Moment): boolean {
  const { crashes, host, moving } = instance.decided
  const report = host === undefined ? undefined : view.heard(host).report
  const seen = report && reportedIn(report.instances, instance.id)
  if (!crashes || moving || seen?.power !== 'running' || seen.failed) return false
  const lastAt = Math.max(...crashes.hosts.map(({ at }) => Date.parse(at)))
  return now.wall - lastAt >= forgottenMs
}

function forgotten(instance: Instance, context: Context): Commit {
  const { crashes, ...decided } = instance.decided
  const message = `runs well on ${decided.host}: that it ${storyOf(crashes!.hosts)} is forgotten`
  return {
    changes: [put({ ...instance, decided })],
    decisions: [decision(context, 'recovered', message, subjectOf(instance))]
  }
}

/** What people are told of an instance that fails; undefined: nothing. */
export type CrashWords = {
  /** `gone`: that was elsewhere, and it does not fail where it is now. */
  readonly reason: 'failed' | 'held' | 'going' | 'failing' | 'gone'
  readonly message: string
}

/** Says how an instance fails, and what becomes of that. */
export function crashWordsOf(
  view: View,
  instance: Instance,
  seen: ReportInstance | undefined,
  now: Moment
): CrashWords | undefined {
  const { crashes, host: name } = instance.decided
  if (crashes?.failed) return { reason: 'failed', message: crashes.failed.because }
  const host = name === undefined ? undefined : view.named('host', name)
  if (host && seen?.failed && hasFailed({ host, instance, seen })) {
    const crashed = withHost(instance, { host: host.name, ...seen.failed, at: '' })
    const way = wayOut(view, { host, instance, seen, crashed }, now)
    if (way.way === 'held') {
      return { reason: 'held', message: heldWords(instance, crashed, way.because) }
    }
    return { reason: 'going', message: `${storyOf(crashed.hosts)}; another host is tried` }
  }
  const before = crashes?.hosts.filter(one => one.host !== name || !seen?.failed) ?? []
  const here = host && seen?.failed ? [{ host: host.name, ...seen.failed, at: '' }] : []
  const all = [...before, ...here]
  if (all.length === 0 || (before.length === 0 && here[0]!.runs < 2)) return undefined
  if (here.length === 0)
    return { reason: 'gone', message: `${storyOf(all)}; not on ${name} so far` }
  return { reason: 'failing', message: `${storyOf(all)}${limitWords(instance)}` }
}

function limitWords(instance: Instance): string {
  const max = runsMaxOf(instance)
  return max === 0 ? '' : `; after ${max} failed runs in a row another host is tried`
}

/** Whether it is one of those that count as failed: it fails still, and hops no more. */
export const isFailed = (instance: Instance, seen: ReportInstance): boolean =>
  instance.decided.crashes?.failed !== undefined &&
  seen.failed !== undefined &&
  seen.power !== 'running' &&
  seen.power !== 'paused'

const withCrashes = (instance: Instance, crashes: InstanceCrashes): Instance => ({
  ...instance,
  decided: { ...instance.decided, crashes }
})

const put = (resource: Resource): Change => ({ op: 'put', resource })

function eventOf(
  view: View,
  {
    of,
    ...said
  }: {
    readonly of: Resource
    readonly reason: string
    readonly message: string
    readonly severity: 'warning' | 'alarm'
  },
  context: Context
): Resource {
  const seen = { subject: subjectOf(of), ...said, source: 'controller', at: isoOf(context) }
  return notification(view, seen, context)
}
