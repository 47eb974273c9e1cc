/**
 * When an instance is ready for those that start after it. Its wish names gates: a TCP port that
 * takes calls, a guest agent that is there, a call home. Once all have been open in a run it is
 * ready, and stays so until that run ends: those after it start once, and a service that hiccups
 * later is no reason to hold anybody back.
 *
 *            all gates open                 in time
 *   ┌─────────┐ ─────────────► ┌───────┐
 *   │ waiting │                │ ready │
 *   └─────────┘ ──► ┌──────┐ ─►└───────┘
 *                   │ late │   all gates open after all
 *      time is over └──────┘
 *
 * The time is counted from when this agent first saw the run, on its own clock. What was found is
 * lost with the agent and found again by the next; but a call home comes once. So the controller
 * keeps that there was one, and says so in the order.
 */
import type { Readiness, readyWords } from '#shared/model/readiness.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Order, OrderInstance, ReportInstance } from '#shared/wire/order.ts'
import type { OwnDomain } from './metadata.ts'
import type { Moment } from './moment.ts'
import { type Notices, note } from './notices.ts'

/** The port on which hosts take calls of instances that phone home. */
export const phoneHomePort = 7416

/** What must be seen of an instance. */
export type Gate = 'tcp' | 'guest-agent' | 'phone-home'

/** What is known of the gates of one run of an instance. */
export type RunReadiness = {
  /** When the run was started, RFC 3339: it names the run. */
  readonly run: string
  readonly since: Ms
  readonly open: ReadonlySet<Gate>
  /** Why its TCP port is not open, as it was found last. */
  readonly because?: string
  /** When it was ready. */
  readonly readyAt?: Ms
  /** Whether it was told that it is late. */
  readonly isLate?: boolean
}

/** By id of the instance. */
export type ReadinessMemory = ReadonlyMap<string, RunReadiness>

/** What somebody found of a gate: that it is open, or why not. */
export type GateNews = {
  readonly instance: string
  readonly run: string
  readonly gate: Gate
  /** Undefined: it is open. */
  readonly because?: string | undefined
}

/** The gates that a wish names, in the order in which they are told. */
export const gatesOf = (readiness: Readiness): readonly Gate[] => [
  ...(readiness.tcp === undefined ? [] : ['tcp' as const]),
  ...(readiness.guestAgent === true ? ['guest-agent' as const] : []),
  ...(readiness.phoneHome === true ? ['phone-home' as const] : [])
]

/** Enters what was found of a gate; of an earlier run it says nothing. */
export function rememberGate(memory: ReadinessMemory, news: GateNews): ReadinessMemory {
  const known = memory.get(news.instance)
  if (known?.run !== news.run || known.open.has(news.gate)) return memory
  const found: RunReadiness =
    news.because === undefined
      ? { ...known, open: new Set([...known.open, news.gate]) }
      : { ...known, because: news.because }
  return new Map(memory).set(news.instance, found)
}

/** Follows the runs that are seen, and tells of those that are ready, or late. */
export function followRuns(
  last: { readonly readiness: ReadinessMemory; readonly notices: Notices },
  seen: { readonly own: readonly OwnDomain[]; readonly order: Order; readonly now: Moment }
): { readonly readiness: ReadinessMemory; readonly notices: Notices } {
  const wishes = new Map(
    seen.order.instances.flatMap(each => (each.readiness ? [[each.id, each] as const] : []))
  )
  if (wishes.size === 0 && last.readiness.size === 0) return last
  const readiness = new Map<string, RunReadiness>()
  let { notices } = last
  for (const own of seen.own) {
    const { id } = own.metadata
    const instance = wishes.get(id)
    if (!instance?.readiness || !isUp(own)) continue
    const after = followed(last.readiness.get(id), { instance, own, now: seen.now.monotonic })
    readiness.set(id, after.found)
    if (after.news) notices = note(notices, { subject: id, ...after.news }, seen.now)
  }
  return { readiness, notices }
}

/** Paused ones are up as well: what they have reached is not lost. */
const isUp = ({ domain }: OwnDomain): boolean =>
  domain.state === 'running' || domain.state === 'paused'

type News = {
  readonly reason: 'instance-ready' | 'instance-not-ready'
  readonly message: string
  readonly severity: 'notice' | 'alarm'
}

function followed(
  last: RunReadiness | undefined,
  given: { readonly instance: OrderInstance; readonly own: OwnDomain; readonly now: Ms }
): { readonly found: RunReadiness; readonly news?: News } {
  const { instance, own, now } = given
  const { startedAt: run } = own.metadata
  const same = last?.run === run ? last : { run, since: now, open: new Set<Gate>() }
  const open = new Set(same.open)
  if (own.domain.guestAgent === true) open.add('guest-agent')
  if (instance.phonedHome === run) open.add('phone-home')
  const found: RunReadiness = open.size === same.open.size ? same : { ...same, open }
  if (found.readyAt !== undefined) return { found }
  const { timeoutMs } = instance.readiness!
  const name = `${instance.tenant}/${instance.name}`
  const took = formatMs(now - found.since)
  const gates = gatesOf(instance.readiness!)
  // That it runs is told already.
  if (gates.length === 0) return { found: { ...found, readyAt: now } }
  if (gates.every(gate => open.has(gate))) {
    const since = `${took} after it was first seen running`
    const message = `${name} is ready ${since}: ${openWords(instance)}`
    return {
      found: { ...found, readyAt: now },
      news: { reason: 'instance-ready', message, severity: 'notice' }
    }
  }
  if (found.isLate || now - found.since < timeoutMs) return { found }
  const why = `${shutWords(instance, found)}; ${lateWords(instance)}`
  const message = `${name} is not ready for ${took}: ${why}`
  return {
    found: { ...found, isLate: true },
    news: { reason: 'instance-not-ready', message, severity: 'alarm' }
  }
}

/** What a report says of a run; undefined where no readiness is wished, or it does not run. */
export function readinessOf(
  instance: OrderInstance,
  known: RunReadiness | undefined,
  now: Ms
): { readonly ready: (typeof readyWords)[number]; readonly readyMessage: string } | undefined {
  if (!instance.readiness || !known) return undefined
  if (known.readyAt !== undefined) {
    const took = formatMs(known.readyAt - known.since)
    const message = `ready since ${took} after it was first seen running`
    return { ready: 'ready', readyMessage: `${message}: ${openWords(instance)}` }
  }
  const { timeoutMs } = instance.readiness
  const waited = `not ready for ${formatMs(now - known.since)} of ${formatMs(timeoutMs)}`
  const why = `${waited}: ${shutWords(instance, known)}`
  if (!known.isLate) return { ready: 'waiting', readyMessage: why }
  return { ready: 'late', readyMessage: `${why}; ${lateWords(instance)}` }
}

/** When something is to be looked at again though nothing happens. */
export const lateAtOf = (instance: OrderInstance, known: RunReadiness | undefined) =>
  instance.readiness && known && known.readyAt === undefined && !known.isLate
    ? known.since + instance.readiness.timeoutMs
    : undefined

/** Report fields of an instance, for the report; nothing where there is nothing to say. */
export type ReadyFields = Pick<ReportInstance, 'ready' | 'readyMessage'>

const lateWords = ({ readiness }: OrderInstance): string =>
  readiness?.late === 'go-on'
    ? 'those after it go on without it (readiness.late)'
    : 'those after it wait on (readiness.late)'

const addressOf = ({ ports }: OrderInstance): string => ports[0]?.address ?? 'no address'

function openWords(instance: OrderInstance): string {
  const gates = gatesOf(instance.readiness!)
  const words = gates.map(gate => {
    switch (gate) {
      case 'tcp':
        return `TCP port ${instance.readiness!.tcp} of ${addressOf(instance)} takes calls`
      case 'guest-agent':
        return 'its guest agent is there'
      case 'phone-home':
        return 'it has phoned home'
      default:
        return gate satisfies never
    }
  })
  return words.join(', ') || 'it runs'
}

function shutWords(instance: OrderInstance, known: RunReadiness): string {
  const shut = gatesOf(instance.readiness!).filter(gate => !known.open.has(gate))
  const words = shut.map(gate => {
    switch (gate) {
      case 'tcp': {
        const what = `TCP port ${instance.readiness!.tcp} of ${addressOf(instance)} takes no call`
        return known.because === undefined ? what : `${what} (${known.because})`
      }
      case 'guest-agent':
        return 'its guest agent is not there'
      case 'phone-home':
        return 'it has not phoned home'
      default:
        return gate satisfies never
    }
  })
  return words.join(', ')
}
