/**
 * What the agent has to know beyond the order and what it sees: how its instances fared, what it
 * asked of them, which steps failed. All of it may be lost with the process; only the marks of
 * instances that must not run twice are kept on disk (see `marksOf`).
 *
 * The fold is here and in memory-steps.ts: each function takes the memory and one thing that
 * happened, and gives the memory after it.
 */
import { uuidOf } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import type { Order, OrderInstance } from '#shared/wire/order.ts'
import { driverOf } from './domain-plan.ts'
import { endingOf, endingSentence, type LastEvent } from './ending.ts'
import type { OwnDomain } from './metadata.ts'
import type { Moment } from './moment.ts'
import { forgetNotices, type Notices, noNotices, note } from './notices.ts'
import { isAlive, isCrossing, isHeld, type SortedDomains } from './own-domains.ts'
import type { Domain, DomainEvent, DomainKey, Driver } from './ports.ts'
import { followRuns, type ReadinessMemory } from './readiness.ts'
import {
  adopted,
  begunAnew,
  ended,
  freshHistory,
  type RestartHistory,
  type RestartPolicy,
  seenRunning,
  setFree
} from './restart.ts'
import type { Retry } from './retry.ts'
import { type InstanceName, nameOf } from './steps.ts'
import { withUnsent } from './unsent.ts'

/** That we have asked a domain to end. */
export type Stop = { readonly askedAt: Ms; readonly lastAskedAt: Ms; readonly because: string }

/** What is remembered of one instance. */
export type InstanceMemory = {
  readonly instance: InstanceName
  readonly policy: RestartPolicy
  /** The count of wished restarts when it was last ordered. */
  readonly restarts: number
  /** The generation of the wish when it was last ordered. */
  readonly generation: number
  /** Whether the order names it now. */
  readonly ordered: boolean
  readonly history: RestartHistory
  readonly stop: Stop | undefined
  readonly resumedAt: Ms | undefined
  /** Since when it is missed while libvirt has not said how it ended. */
  readonly missingSince?: Ms | undefined
  /** Name of the host that it is on its way to. */
  readonly leavingTo?: string | undefined
  /** Since when nobody sends what has come of it in part. */
  readonly unsentSince?: Ms | undefined
  /** The move that all is ready for on this host. */
  readonly preparedFor?: string | undefined
  /** It ran here, and was not wished to stop since: when it is started again, it goes on. */
  readonly goesOn?: boolean
}

/**
 * So long libvirt may take to say how a domain ended that is gone already: its event comes a moment
 * after the domain has left the list. Unit: ms.
 */
export const lastWordsMsMax: Ms = 300

const drivers: readonly Driver[] = ['qemu', 'lxc']

/** What must be known of the past, since nothing that is seen now tells it. */
export type Memory = {
  readonly instances: ReadonlyMap<string, InstanceMemory>
  /** By the key of the step. */
  readonly retries: ReadonlyMap<string, Retry>
  readonly lastEvents: ReadonlyMap<string, LastEvent>
  /** Names of the foreign domains that were seen last. */
  readonly foreign: ReadonlySet<string>
  readonly notices: Notices
  /** How far those are that others wait for. */
  readonly readiness: ReadinessMemory
  /** Fingerprint of what was there when images were last tidied away. */
  readonly tidied: string | undefined
  /** That this machine was told to boot anew, and in which boot that was. */
  readonly rebooting?: { readonly boot: string; readonly at: Ms }
}

/** What an agent remembers that has just been started. */
export const freshMemory: Memory = {
  instances: new Map(),
  retries: new Map(),
  lastEvents: new Map(),
  foreign: new Set(),
  notices: noNotices,
  readiness: new Map(),
  tidied: undefined
}

/** Of so many domains the last event is kept. */
const lastEventsMax = 1024

/**
 * That an instance was started, or is not to be started again, for one count of restarts; and how
 * often it has failed in a row, for one generation.
 */
export type Mark = {
  readonly restarts: number
  readonly state?: 'running' | 'done'
  readonly failed?: {
    readonly generation: number
    readonly runs: number
    readonly withinMs: Ms
    readonly last: string
  }
}

/** What must outlive the process: whom a policy may forbid to start again, and who has failed. */
export const marksOf = (memory: Memory): Readonly<Record<string, Mark>> =>
  Object.fromEntries(
    [...memory.instances].flatMap(([id, each]) => {
      const mark = markOf(each)
      return mark === undefined ? [] : [[id, mark]]
    })
  )

function markOf({ policy, ordered, restarts, generation, history }: InstanceMemory) {
  const { now, streak: runs, failing } = history
  const { state } = now
  const isKept = policy.policy !== 'always' && (state === 'running' || state === 'done')
  if (!ordered || (!isKept && !failing)) return undefined
  const failed = failing && {
    generation,
    runs,
    withinMs: Math.round(failing.until - failing.since),
    last: failing.last
  }
  return { restarts, ...(isKept && { state }), ...(failed && { failed }) } satisfies Mark
}

/** Enters the marks of an earlier run of the agent. */
export function recallMarks(
  memory: Memory,
  marks: Readonly<Record<string, Mark>>,
  now: Ms
): Memory {
  const instances = new Map(memory.instances)
  for (const [id, each] of instances) {
    const mark = marks[id]
    if (mark?.restarts !== each.restarts) continue
    instances.set(id, { ...each, history: recalled(each, mark, now) })
  }
  return { ...memory, instances }
}

function recalled({ history, generation }: InstanceMemory, mark: Mark, now: Ms): RestartHistory {
  const { state, failed } = mark
  const before = failed?.generation === generation ? failed : undefined
  return {
    ...history,
    ...(state === 'done' && { now: { state, ending: 'unseen' } }),
    ...(state === 'running' && { now: { state, since: now } }),
    ...(before && {
      streak: before.runs,
      failing: { since: now - before.withinMs, until: now, last: before.last }
    })
  }
}

/** An order was taken on. */
export function rememberOrder(memory: Memory, order: Order): Memory {
  const instances = new Map<string, InstanceMemory>()
  for (const [id, each] of memory.instances)
    instances.set(id, { ...each, ordered: false, goesOn: false })
  for (const instance of order.instances) {
    instances.set(instance.id, withWish(memory.instances.get(instance.id), instance))
  }
  // A number that was never given is meant for an earlier run of this agent.
  const kept = order.noticesKept <= memory.notices.lastNumber ? order.noticesKept : 0
  return { ...memory, instances, notices: forgetNotices(memory.notices, kept) }
}

function withWish(last: InstanceMemory | undefined, instance: OrderInstance): InstanceMemory {
  const { id, tenant, name, restarts, restart, generation } = instance
  const leavingTo = instance.leaving?.to
  const wish = {
    instance: { id, tenant, name },
    policy: restart,
    restarts,
    generation,
    ordered: true,
    leavingTo
  }
  if (last === undefined) {
    return { ...wish, history: freshHistory, stop: undefined, resumedAt: undefined }
  }
  const isFree = instance.desiredPower === 'stopped' || restarts !== last.restarts
  const free = isFree && last.history.now.state !== 'running' ? setFree(last.history) : last.history
  const history = generation === last.generation ? free : begunAnew(free)
  const goesOn = last.goesOn === true && instance.desiredPower !== 'stopped'
  return { ...last, ...wish, goesOn, history }
}

/** libvirt has said something; only how a domain ended is kept, until it is missed. */
export function rememberEvent(memory: Memory, event: DomainEvent): Memory {
  if (!['stopped', 'crashed', 'started'].includes(event.event)) return memory
  const lastEvents = new Map(memory.lastEvents)
  lastEvents.delete(domainKeyText(event))
  if (event.event !== 'started') {
    lastEvents.set(domainKeyText(event), { event: event.event, detail: event.detail })
  }
  const oldest = lastEvents.keys().next().value
  if (lastEvents.size > lastEventsMax && oldest !== undefined) lastEvents.delete(oldest)
  return { ...memory, lastEvents }
}

/**
 * All domains were seen: finds what has started, ended or come from elsewhere since last time. It
 * is asked at every look, of all instances: so the parts are collected in a draft, not copied each
 * time.
 */
export function rememberDomains(
  memory: Memory,
  sorted: SortedDomains,
  { order, now }: { readonly order: Order; readonly now: Moment }
): Memory {
  const ordered = new Map(order.instances.map(instance => [instance.id, instance]))
  // What has only come in part may never run here.
  const isPart = ({ domain, metadata }: OwnDomain): boolean =>
    (isHeld(domain) || isCrossing(domain)) && ordered.get(metadata.id)?.arriving !== undefined
  const alive = new Map(
    sorted.own.filter(own => isAlive(own.domain) && !isPart(own)).map(own => [own.metadata.id, own])
  )
  const draft: Draft = {
    instances: new Map(memory.instances),
    lastEvents: new Map(memory.lastEvents),
    notices: memory.notices
  }
  const foreign = noteForeign(draft, memory.foreign, sorted.foreign, now)
  for (const own of alive.values()) noteAlive(draft, own, ordered.get(own.metadata.id), now)
  for (const { metadata } of sorted.own.filter(isPart)) {
    const part = draft.instances.get(metadata.id)
    const arriving = ordered.get(metadata.id)?.arriving
    if (part) draft.instances.set(metadata.id, withUnsent(part, arriving, now.monotonic))
  }
  for (const [id, each] of memory.instances) if (!alive.has(id)) noteAbsent(draft, each, now)
  const { notices } = draft
  const own = [...alive.values()]
  const ready = followRuns({ readiness: memory.readiness, notices }, { own, order, now })
  return { ...memory, ...draft, ...ready, foreign }
}

type Draft = {
  readonly instances: Map<string, InstanceMemory>
  readonly lastEvents: Map<string, LastEvent>
  notices: Notices
}

function noteAlive(
  draft: Draft,
  own: OwnDomain,
  instance: OrderInstance | undefined,
  now: Moment
): void {
  const { id, tenant, name, startedAt, startCount = 0, restarts, generation } = own.metadata
  const last = draft.instances.get(id) ?? {
    instance: { id, tenant, name },
    policy: unorderedPolicy,
    restarts,
    generation,
    ordered: false,
    history: freshHistory,
    stop: undefined,
    resumedAt: undefined
  }
  const ranMs = Math.max(0, now.wall - Date.parse(startedAt)) || 0
  const run =
    last.history.now.state === 'running'
      ? last.history
      : adopted(last.history, { since: now.monotonic - ranMs, startCount })
  const history = seenRunning(run, { now: now.monotonic, policy: last.policy })
  const over = last.stop !== undefined && now.monotonic - last.stop.askedAt > stopForgottenMs(own)
  const stop = over && stopWish(own, instance) === undefined ? undefined : last.stop
  const goesOn = instance !== undefined && instance.desiredPower !== 'stopped'
  const isSame =
    history === last.history &&
    stop === last.stop &&
    goesOn === last.goesOn &&
    last.missingSince === undefined
  if (isSame && draft.instances.get(id) === last) return
  draft.instances.set(id, { ...last, history, stop, goesOn, missingSince: undefined })
}

/** A domain that no order names is only ever ended; the policy is never asked. */
const unorderedPolicy: RestartPolicy = {
  policy: 'never',
  delayMsMin: 0,
  delayMsMax: 0,
  resetMs: 1_000
}

// An instance that was asked to shut down, and is then wished to run, may still do as it was asked.
const stopForgottenMs = (own: OwnDomain): Ms => Math.max(60_000, own.metadata.stopGraceMs)

function noteAbsent(draft: Draft, last: InstanceMemory, now: Moment): void {
  const { id } = last.instance
  if (last.history.now.state !== 'running') {
    if (last.stop !== undefined) draft.instances.set(id, { ...last, stop: undefined })
    return
  }
  const event = takeLastEvent(draft, id)
  const name = nameOf(last.instance)
  const missingSince = last.missingSince ?? now.monotonic
  const ours = last.stop !== undefined || !last.ordered
  if (!ours && event === undefined && now.monotonic - missingSince < lastWordsMsMax) {
    draft.instances.set(id, { ...last, missingSince })
    return
  }
  if (ours) {
    const message = `${name} has ended: ${last.stop?.because ?? 'no order names it'}`
    const text = { subject: id, reason: 'instance-stopped', message } as const
    draft.notices = note(draft.notices, { ...text, severity: 'notice' }, now)
    const history = setFree({ ...last.history, now: { state: 'idle' } })
    draft.instances.set(id, { ...last, history, stop: undefined, missingSince: undefined })
    return
  }
  if (last.leavingTo !== undefined && (event === undefined || event.detail === 'migrated')) {
    const message = `${name} has left for ${last.leavingTo}`
    const text = { subject: id, reason: 'instance-left', message, severity: 'notice' } as const
    draft.notices = note(draft.notices, text, now)
    const history = setFree({ ...last.history, now: { state: 'idle' } })
    draft.instances.set(id, { ...last, history, missingSince: undefined })
    return
  }
  const ending = endingOf(event)
  const ranMs = now.monotonic - last.history.now.since
  const words = endingSentence(event, ranMs)
  const history = ended(last.history, { now: now.monotonic, ending, policy: last.policy, words })
  const message = `${name} ${words}`
  const severity = ending === 'orderly' ? 'notice' : 'warning'
  const text = { subject: id, reason: 'instance-ended', message, severity } as const
  draft.notices = note(draft.notices, text, now)
  draft.instances.set(id, { ...last, history, missingSince: undefined })
}

/** Gives libvirt's last words about a domain, once: they say nothing of its next run. */
function takeLastEvent(draft: Draft, id: string): LastEvent | undefined {
  const keys = drivers.map(driver => domainKeyText({ driver, uuid: uuidOf(id) }))
  const found = keys.map(key => draft.lastEvents.get(key)).find(event => event !== undefined)
  for (const key of keys) draft.lastEvents.delete(key)
  return found
}

/** Why a domain of ours should end, or undefined when it should not. */
export function stopWish(own: OwnDomain, instance: OrderInstance | undefined): string | undefined {
  if (instance === undefined) return 'the order does not name it'
  if (driverOf(instance) !== own.domain.driver) return `it is ordered as a ${instance.type}`
  if (instance.desiredPower === 'stopped') return 'it is wished to be stopped'
  if (instance.restarts !== own.metadata.restarts) return `restart ${instance.restarts} is wished`
  return undefined
}

function noteForeign(
  draft: Draft,
  known: ReadonlySet<string>,
  domains: readonly Domain[],
  now: Moment
): ReadonlySet<string> {
  const foreign = new Set(domains.map(domain => `${domain.driver}/${domain.name}`))
  for (const domain of domains) {
    if (known.has(`${domain.driver}/${domain.name}`)) continue
    const message =
      `found the ${domain.driver} domain ${domain.name} with ${domain.memoryMib} MiB, which is ` +
      'not of this cloud; it is left alone'
    const text = { subject: domain.uuid, reason: 'foreign-domain', message } as const
    draft.notices = note(draft.notices, { ...text, severity: 'notice' }, now)
  }
  return foreign
}

/** The memory with one instance as it is now. */
export const withInstance = (memory: Memory, instance: InstanceMemory): Memory => ({
  ...memory,
  instances: new Map(memory.instances).set(instance.instance.id, instance)
})

const domainKeyText = ({ driver, uuid }: DomainKey): string => `${driver}/${uuid}`
