/**
 * Room for the important ones. An instance that has lost its host and finds no place may have less
 * important ones stopped for it, if that is allowed:
 *
 *   who has lost its host   (nowhere) ──► on a host, held ── all have stopped there ──► starts
 *   who fails on its host   on its way ── all have stopped where it goes ──► sent, and starts there
 *   who is to start         held on its own host ── all have stopped there ──► starts
 *   who yields              runs ──► stopped, still wished to run ── room again, anywhere ──► runs
 *
 * - Who may yield: priorities are a tenant's own numbers, so only instances of the same tenant do,
 *   if it says so, and those of others only if an operator has said so for the whole cloud. The
 *   default is nobody.
 * - Who has lost a host asks for it, who must leave the one on which it fails (crashes.ts), and who
 *   was stopped and is to start where it is (admission/instance-start.ts). A new instance never
 *   does, nor one that grows: admission refuses them instead.
 * - Who yields on a host is found by letting all stay that can, the most important first, and of
 *   equal ones those that could start nowhere else, then the smallest. Placement itself is asked
 *   each time whether there is room. So nobody stops who need not, and of all hosts the one is
 *   taken where the most important of those who stop is the least important.
 * - Both are recorded in one commit: who waits is promised the room at once, so nobody else takes
 *   it meanwhile, and its host holds it until it has reported that the others have ended.
 * - Who yields is wished to run as before (`desiredPower` is its owner's), and starts by itself as
 *   soon as there is room, in turn with all that wait, by priority.
 */
import type { Host } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { InstancePreempted } from '#shared/model/instance-trouble.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Ms } from '#shared/units.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import { onHost } from './admission/instance-create.ts'
import { type About, demandOfMove, moveInstance, rulesOfMove } from './admission/instance-move.ts'
import { demandOf } from './admission/instance-place.ts'
import { lingers } from './capacity.ts'
import type { Because, Change, Commit } from './commit.ts'
import { whyItStays } from './evacuation.ts'
import { isResting } from './indexes.ts'
import { notification } from './notification.ts'
import { heldMib } from './overhead.ts'
import { candidatesOf } from './placement/candidates.ts'
import { type Candidate, type Demand, place, type Rules } from './placement/pipeline.ts'
import { rules } from './placement/rules.ts'
import { isRefusal, listed } from './refusal.ts'
import { scarceOf, scarceSum } from './scarce.ts'
import { defaultTenant, subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** So long after a move that came to nothing the next one begins at the earliest. Unit: ms. */
const retryMs: Ms = 30_000

/** Who would stop on which host. */
export type Yielding = { readonly host: Host; readonly victims: readonly Instance[] }

type Asked = {
  readonly instance: Instance
  readonly demand: Demand
  readonly rules: Rules
}

type Wanted = { readonly instance: Instance; readonly volumes: readonly Volume[] }

/** Finds the host where the least is lost by making room; undefined: nowhere, or it may not be. */
export function yieldingTo(view: View, wanted: Wanted, now: Moment): Yielding | undefined {
  const { instance } = wanted
  const isAsking = instance.decided.displaced && instance.spec.desiredPower !== 'stopped'
  if (!isAsking) return undefined
  const candidates = candidatesOf(view, now.monotonic)
  return yieldingAmong(view, { instance, demand: demandOf(view, wanted), candidates, rules })
}

/** The same for one that asks so much, of these hosts alone, by these rules. */
export function yieldingAmong(
  view: View,
  asked: Asked & { readonly candidates: readonly Candidate[] }
): Yielding | undefined {
  if (!mayAnyYield(view, asked.instance)) return undefined
  let best: Yielding | undefined
  for (const candidate of asked.candidates) {
    const victims = victimsOn(view, asked, candidate)
    if (!victims) continue
    const found = { host: candidate.host, victims }
    if (!best || isLess(view, found, best)) best = found
  }
  return best
}

/** Whether anybody may yield to it at all. */
function mayAnyYield(view: View, instance: Instance): boolean {
  const all = view.cloud?.healing?.preemption
  if (all !== undefined) return all !== 'never'
  return view.named('tenant', tenantOf(instance))?.spec.preemption === 'own'
}

const tenantOf = ({ tenant = defaultTenant }: Instance): string => tenant

/** Whether this one may be stopped for another one. */
function mayYield(view: View, one: Instance, to: Instance): boolean {
  if (one.spec.priority >= to.spec.priority) return false
  return view.cloud?.healing?.preemption === 'any' || tenantOf(one) === tenantOf(to)
}

function victimsOn(
  view: View,
  { instance, demand, rules }: Asked,
  candidate: Candidate
): readonly Instance[] | undefined {
  const all = [...view.indexes.of('host-instances', candidate.host.name)]
    .flatMap(id => view.get('instance', id) ?? [])
    .filter(one => isThere(one) && mayYield(view, one, instance))
  const fits = (victims: readonly Instance[]): boolean =>
    place(demand, [without(candidate, victims)], rules).chosen !== undefined
  if (!fits(all)) return undefined
  let victims = all.toSorted((a, b) => byWorth(view, a, b))
  for (const one of [...victims]) {
    const fewer = victims.filter(other => other !== one)
    if (fits(fewer)) victims = fewer
  }
  return victims
}

/** Whether it has room on its host that it could give. */
const isThere = (one: Instance): boolean =>
  !isResting(one) && !one.decided.moving && one.decided.roomFrom === undefined

function without(candidate: Candidate, victims: readonly Instance[]): Candidate {
  const { capacity } = candidate
  if (!capacity) return candidate
  let { memoryPromisedMib, vcpusPromised, scarcePromised } = capacity
  for (const { decided } of victims) {
    memoryPromisedMib -= heldMib(decided)
    vcpusPromised -= decided.vcpus
    scarcePromised = scarceSum(scarcePromised, scarceOf(decided), -1)
  }
  const left = { memoryPromisedMib, vcpusPromised, scarcePromised }
  return { ...candidate, capacity: { ...capacity, ...left } }
}

/** Who is to stay comes first. */
function byWorth(view: View, a: Instance, b: Instance): number {
  return (
    b.spec.priority - a.spec.priority ||
    Number(isBound(view, b)) - Number(isBound(view, a)) ||
    heldMib(a.decided) - heldMib(b.decided) ||
    (a.id < b.id ? -1 : 1)
  )
}

/** Whether no other host could start it. */
const isBound = (view: View, one: Instance): boolean => whyItStays(view, one) !== undefined

/** Whether less is lost on the first: its important ones count first, then how many there are. */
function isLess(view: View, one: Yielding, other: Yielding): boolean {
  const [a, b] = [one, other].map(({ victims }) => victims.map(({ spec }) => spec.priority))
  for (let at = 0; at < Math.max(a!.length, b!.length); at += 1) {
    const [was, is] = [b![at] ?? -1, a![at] ?? -1]
    if (is !== was) return is < was
  }
  const boundOf = ({ victims }: Yielding) => victims.filter(each => isBound(view, each)).length
  const mibOf = ({ victims }: Yielding) =>
    victims.reduce((sum, { decided }) => sum + heldMib(decided), 0)
  return (
    (boundOf(one) - boundOf(other) ||
      mibOf(one) - mibOf(other) ||
      (one.host.name < other.host.name ? -1 : 1)) < 0
  )
}

/** Records who gets the room, and who yields it. */
export function yielded(
  view: View,
  { instance, volumes, host, victims }: Wanted & Yielding,
  context: Context
): Commit {
  const { displaced, ...decided } = instance.decided
  const roomFrom = victims.map(({ id }) => id)
  const placed: Instance = { ...instance, decided: { ...decided, host: host.name, roomFrom } }
  const why = `after ${displaced!.from} was lost`
  const { resources, decisions, names } = giving(view, { instance, victims, why }, context)
  const because = `on ${host.name}, where ${names} makes room for it; it starts once that has ended`
  const all = [placed, ...volumes.map(volume => onHost(volume, host.name)), ...resources]
  return {
    changes: all.map(put),
    decisions: [decision(context, 'placed', because, subjectOf(instance)), ...decisions]
  }
}

/** What is recorded of those that yield, with their names. */
export function giving(
  view: View,
  given: {
    readonly instance: Instance
    readonly victims: readonly Instance[]
    /** Why it needs their room. */
    readonly why: string
  },
  context: Context
): {
  readonly resources: readonly Resource[]
  readonly decisions: readonly Because[]
  readonly names: string
} {
  const { instance, victims, why } = given
  const at = isoOf(context)
  const words = (one: Instance): string =>
    `stopped to make room for ${instance.name} (priority ${instance.spec.priority} > ` +
    `${one.spec.priority}) ${why}`
  const stopped = victims.map((one): Instance => {
    const preempted: InstancePreempted = { at, for: instance.id, because: words(one) }
    return { ...one, decided: { ...one.decided, preempted } }
  })
  const events = victims.map(one => {
    const message = `${words(one)}; it starts again by itself as soon as there is room`
    const seen = { subject: subjectOf(one), reason: 'preempted', message, at } as const
    return notification(view, { ...seen, severity: 'warning', source: 'controller' }, context)
  })
  return {
    resources: [...stopped, ...events],
    decisions: victims.map(one => decision(context, 'preempted', words(one), subjectOf(one))),
    names: listed(victims.map(({ name }) => name))
  }
}

const put = (resource: Resource): Change => ({ op: 'put', resource })

/** Lets those start for whom all that yielded to them has ended, as their host has reported. */
export function* roomMade(view: View, context: Context): Iterable<Commit> {
  for (const id of [...view.indexes.awaitingRoom.keys()]) {
    const instance = view.get('instance', id)
    if (!instance || stillThere(view, instance).length > 0) continue
    const { roomFrom, ...decided } = instance.decided
    const names = (roomFrom ?? []).map(one => view.get('instance', one)?.name ?? one)
    const host = roomHostOf(view, instance)
    const isThere = (roomFrom ?? []).some(one => view.get('instance', one)?.decided.host === host)
    const because = isThere
      ? `${host} reports that ${listed(names)} has ended`
      : `nothing of ${listed(names)} is on ${host ?? 'a host'} any more`
    yield {
      changes: [put({ ...instance, decided })],
      decisions: [decision(context, 'room-made', because, subjectOf(instance))]
    }
  }
}

/** Where it waits for the room of others: where it goes, if they are there, or else where it is. */
export function roomHostOf(view: View, { decided }: Instance): string | undefined {
  const { moving, host, roomFrom = [] } = decided
  const isThere = (one: string) => view.get('instance', one)?.decided.host === moving?.to
  return moving && roomFrom.some(isThere) ? moving.to : host
}

/** Those that have not ended yet, as far as is known, and whose room is waited for. */
function stillThere(view: View, instance: Instance): readonly Instance[] {
  const { id, decided } = instance
  const { roomFrom = [] } = decided
  const host = roomHostOf(view, instance)
  const report = host === undefined ? undefined : view.heard(host).report
  const isNew = report && report.generation >= (view.indexes.awaitingRoom.get(id) ?? 0)
  return roomFrom
    .flatMap(one => view.get('instance', one) ?? [])
    .filter(one => one.decided.host === host && one.decided.preempted?.for === id)
    .filter(one => !isNew || lingers(view, one))
}

/** Starts one that has yielded again, if there is room by now; undefined: there is none. */
export function returned(view: View, instance: Instance, context: Context): Commit | undefined {
  const { host: name, preempted, moving } = instance.decided
  if (!preempted || moving || name === undefined || lingers(view, instance)) return undefined
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const about: About = { instance, volumes, host: name, live: false }
  const isFixed = isBound(view, instance) || isTriedLately(preempted, context.now)
  const candidates = candidatesOf(view, context.now.monotonic).filter(
    ({ host }) => !isFixed || host.name === name
  )
  const to = place(demandOfMove(view, about), candidates, rulesOfMove(view, about)).chosen?.name
  if (to === undefined) return undefined
  const because = `there is room for it on ${to}; it was ${preempted.because}`
  if (to === name) {
    return {
      changes: [put(withoutMark(instance))],
      decisions: [decision(context, 'room-again', because, subjectOf(instance))]
    }
  }
  // The mark goes once it has arrived: where it is there is no room for it, should it have to stay.
  const tried = { ...preempted, triedAt: isoOf(context) }
  const leaving = { ...instance, decided: { ...instance.decided, preempted: tried } }
  const verdict = moveInstance(view, { instance: leaving, to, live: false, because }, context)
  return isRefusal(verdict) ? undefined : verdict.commit
}

/** A move that came to nothing is not begun again at once. */
function isTriedLately({ triedAt }: InstancePreempted, now: Moment): boolean {
  const sinceMs = triedAt === undefined ? retryMs : now.wall - Date.parse(triedAt)
  return sinceMs >= 0 && sinceMs < retryMs
}

function withoutMark({ decided: { preempted: _, ...decided }, ...rest }: Instance): Instance {
  return { ...rest, decided }
}

/** What people are told of one that has yielded, or that waits for the room of others. */
export function roomWordsOf(
  view: View,
  instance: Instance
): { readonly type: 'preempted' | 'room'; readonly message: string } | undefined {
  const { preempted, roomFrom } = instance.decided
  const host = roomHostOf(view, instance)
  if (preempted) {
    const message = `${preempted.because}; it starts again by itself as soon as there is room`
    return { type: 'preempted', message }
  }
  if (roomFrom === undefined) return undefined
  const names = stillThere(view, instance).map(({ name }) => name)
  const message = `waits until ${host} has reported that ${listed(names)} has ended, to make room`
  return { type: 'room', message }
}
