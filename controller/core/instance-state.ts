/**
 * Where an instance stands, and why it is not where it should be. The host's word counts only
 * while the host is heard; of a silent host nothing is certain.
 */
import type { Condition } from '#shared/model/index.ts'
import type { Instance, InstanceMove, InstancePhase } from '#shared/model/instance.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { ReportInstance, ReportMove } from '#shared/wire/order.ts'
import { placeInstance } from './admission/instance-place.ts'
import { crashWordsOf, isFailed } from './crashes.ts'
import { whyItStays } from './evacuation.ts'
import type { HostHeard } from './host-heard.ts'
import { phaseOf } from './liveness.ts'
import { livingOrigin } from './living-origin.ts'
import { lockedReason, lockHolderWords } from './lock-words.ts'
import { wordsOf } from './moves.ts'
import { refusalSentences } from './placement/pipeline.ts'
import { roomWordsOf } from './preemption.ts'
import { isRefusal, listed } from './refusal.ts'
import { reportedIn } from './reported.ts'
import { type Before, beforeOf, isHeld, isStarted, isWanted, waitedWords } from './start-order.ts'
import type { Moment, View } from './view.ts'

/** How an instance is at one moment; never stored, since silence alone changes it. */
export type InstanceState = {
  readonly phase: InstancePhase
  readonly conditions: readonly Condition[]
  /** What its host last said of it. */
  readonly seen: ReportInstance | undefined
}

/** Works out phase and conditions of an instance at a moment. */
export function instanceState(view: View, instance: Instance, now: Moment): InstanceState {
  const { moving } = instance.decided
  const onHost = withCrashes(view, instance, onItsHost(view, instance, now), now)
  const turn = mayStart(view, instance, now)
  const room = roomWordsOf(view, instance)
  const more = [
    ...(turn ? [turn] : []),
    ...(room ? [said(room.type, 'true', 'room-is-short', room.message)] : [])
  ]
  const state =
    more.length > 0 ? { ...onHost, conditions: [...onHost.conditions, ...more] } : onHost
  if (!moving) return state
  const message = `to ${moving.to}, ${moving.phase}: ${wayOf(view, instance, moving).message}`
  return { ...state, conditions: [...state.conditions, said('moving', 'true', 'moving', message)] }
}

/** Whether those before it let an instance start; of one that runs nothing is said. */
function mayStart(view: View, instance: Instance, now: Moment): Condition | undefined {
  if (!instance.spec.after?.length || !isWanted(instance)) return undefined
  if (isStarted(view, instance, now)) return undefined
  if (!view.watches) {
    const message =
      'hosts are heard by the controller alone, and this candidate follows the journal'
    return said('may-start', 'unknown', 'not-heard', message)
  }
  const before = beforeOf(view, instance, now)
  const waits = before.filter(({ stands }) => stands === 'waits')
  if (waits.length > 0 && isHeld(view, instance, now)) {
    const words = waits.map(
      one => `${one.name}${waitedWords(one)}: ${notReadyWords(view, one, now)}`
    )
    return said('may-start', 'false', 'others-not-ready', `waits for ${words.join('; ')}`)
  }
  const words = before.map(({ name, stands }) => `${name} ${standsWords[stands]}`)
  return said('may-start', 'true', 'others-ready', words.join(', '))
}

const standsWords: Readonly<Record<Before['stands'], string>> = {
  ready: 'is ready',
  'not-wanted': 'is not wished to run',
  waits: 'was not waited for: it ran when it was moved',
  over: 'is late, and is not waited for any more (readiness.late: go-on)'
}

/** Why one that others wait for is not ready, with numbers. */
export function notReadyWords(view: View, { instance }: Before, now: Moment): string {
  if (!instance) return 'there is none'
  const { phase, conditions, seen } = onItsHost(view, instance, now)
  if (phase === 'running' && seen?.readyMessage) return seen.readyMessage
  const others = isStarted(view, instance, now) ? [] : beforeOf(view, instance, now)
  const waits = others.filter(({ stands }) => stands === 'waits').map(({ name }) => name)
  if (waits.length > 0) return `it waits for ${listed(waits)} itself`
  const ready = conditions.find(({ type }) => type === 'ready')
  return `it is ${phase}: ${ready?.message ?? 'nothing is known of it'}`
}

/** What its host says of its runs is the end of a longer story. */
function withCrashes(
  view: View,
  instance: Instance,
  state: InstanceState,
  now: Moment
): InstanceState {
  const { seen, conditions } = state
  const words = crashWordsOf(view, instance, seen, now)
  if (!words) return state
  const { reason, message } = words
  const phase = seen?.power === state.phase && isFailed(instance, seen) ? 'failed' : state.phase
  return {
    ...state,
    phase,
    conditions: [
      ...conditions,
      said('crash-loop', reason === 'gone' ? 'false' : 'true', reason, message)
    ]
  }
}

/** How far an instance is on its way to another host, in words and numbers. */
export function wayOf(view: View, instance: Instance, moving: InstanceMove): WayShown {
  const { source, target } = wordsOf(view, instance, moving)
  const asked = ['preparing', 'asking'].includes(moving.phase)
  const [word, host] = asked ? [target, moving.to] : [source, instance.decided.host]
  if (!word || word.step !== moving.step) return { message: `waits for ${host} to take it on` }
  const { message, totalMib, remainingMib, mibPerSecond, writtenMibPerSecond } = word
  return {
    message,
    ...(totalMib !== undefined && { totalMib }),
    ...(remainingMib !== undefined && { remainingMib }),
    ...(mibPerSecond !== undefined && { mibPerSecond }),
    ...(writtenMibPerSecond !== undefined && { writtenMibPerSecond })
  }
}

type WayShown = Pick<
  ReportMove,
  'message' | 'totalMib' | 'remainingMib' | 'mibPerSecond' | 'writtenMibPerSecond'
>

/** Why a host that is heard may be slow to take on what it was told, as far as it says. */
function whatKeeps({ report, reportAt }: HostHeard, now: Moment): string {
  if (report === undefined) return ': it has not reported since this controller leads'
  if (report.libvirtSilence !== undefined) return `: libvirt there: ${report.libvirtSilence}`
  const age = now.monotonic - (reportAt ?? now.monotonic)
  return age > oldReportMs ? `: its last report is of ${formatMs(age)} ago` : ''
}

/** Agents report each two seconds when nothing changes: this is a few in a row that are missing. */
const oldReportMs: Ms = 10_000

function onItsHost(view: View, instance: Instance, now: Moment): InstanceState {
  const { host } = instance.decided
  if (host === undefined) return unplaced(view, instance, now)
  const heard = view.heard(host)
  const placed = said('placed', 'true', 'placed', `on ${host}`)
  const lost = onLostHost(view, instance, placed)
  if (lost) return lost
  const seen = heard.report && reportedIn(heard.report.instances, instance.id)
  const resource = view.named('host', host)
  const phase = resource ? phaseOf(resource, heard, now.monotonic) : 'unknown'
  if (phase !== 'online' && phase !== 'late') {
    const silence = !view.watches
      ? 'is heard by the controller alone, and this candidate follows the journal'
      : heard.heardAt === undefined
        ? 'has not been heard by this controller yet'
        : `is silent for ${formatMs(now.monotonic - heard.heardAt)}`
    const message = `its host ${host} ${silence}; it may well be running`
    const ready = said('ready', 'unknown', 'host-silent', message)
    return {
      phase: instance.decided.deletedAt ? 'deleting' : 'unknown',
      conditions: [placed, ready],
      seen
    }
  }
  if (instance.decided.deletedAt) {
    const message = seen
      ? `${host}: ${seen.message}`
      : `waits for ${host} to say that it and its volumes are gone`
    return {
      phase: 'deleting',
      conditions: [placed, said('ready', 'false', 'deleting', message)],
      seen
    }
  }
  if (!seen) {
    const message = `${host} has not taken the order on yet${whatKeeps(heard, now)}`
    return {
      phase: 'pending',
      conditions: [placed, said('ready', 'false', 'ordered', message)],
      seen
    }
  }
  return { phase: seen.power, conditions: [placed, ...judged(view, instance, seen)], seen }
}

/** On a host that is taken for dead or proven off nothing is as its host last said. */
function onLostHost(view: View, instance: Instance, placed: Condition): InstanceState | undefined {
  const host = view.named('host', instance.decided.host ?? '')
  const { recovery } = host?.decided ?? {}
  if (!host || !recovery) return undefined
  const deleting = instance.decided.deletedAt !== undefined
  if (recovery.phase === 'fencing') {
    const { since, because } = recovery
    const message = `its host ${host.name} is being fenced since ${since}: ${because}`
    const ready = said('ready', 'unknown', 'host-fencing', message)
    return {
      phase: deleting ? 'deleting' : 'unknown',
      conditions: [placed, ready],
      seen: undefined
    }
  }
  const why = whyItStays(view, instance) ?? 'it is about to be placed elsewhere'
  const message = `its host ${host.name} is off (${recovery.proof?.because}): ${why}`
  const ready = said('ready', 'false', 'host-off', message)
  return { phase: deleting ? 'deleting' : 'stopped', conditions: [placed, ready], seen: undefined }
}

function judged(view: View, instance: Instance, seen: ReportInstance): readonly Condition[] {
  const rest = seen.reason === lockedReason ? lockHolderWords(view, instance) : ''
  const asDesired =
    seen.power === instance.spec.desiredPower && seen.generation >= instance.generation
  const isReady = seen.ready === undefined || seen.ready === 'ready'
  const ready =
    asDesired && !isReady
      ? said('ready', 'false', seen.ready === 'late' ? 'late' : 'not-ready-yet', readyWords(seen))
      : asDesired
        ? said('ready', 'true', seen.reason, seen.message)
        : said('ready', 'false', seen.reason, `${notYet(instance, seen)}${rest}`)
  if (!seen.restartNeeded) return [ready]
  const message = 'it runs with other hardware than is wished, until its next start'
  const next = `: remuda instance restart ${instance.name}`
  return [ready, said('restart-needed', 'true', 'changed', message + next)]
}

const readyWords = ({ message, readyMessage = '' }: ReportInstance): string =>
  `${message}, ${readyMessage}`

const notYet = (instance: Instance, seen: ReportInstance): string =>
  seen.power === instance.spec.desiredPower
    ? `the change to generation ${instance.generation} is on its way; ${seen.message}`
    : `should be ${instance.spec.desiredPower}, is ${seen.power}: ${seen.message}`

function unplaced(view: View, instance: Instance, now: Moment): InstanceState {
  if (instance.decided.deletedAt) {
    const ready = said('ready', 'false', 'deleting', 'no host has it')
    return { phase: 'deleting', conditions: [ready], seen: undefined }
  }
  const origin = livingOrigin(view, instance)
  if (origin) {
    const message = `waits until ${origin.name} is off: it was there, and that host is seen to run`
    const placed = said('placed', 'false', 'origin-runs', message)
    return { phase: 'pending', conditions: [placed, notPlaced(message)], seen: undefined }
  }
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const placement = placeInstance(view, { instance, volumes }, now)
  const message = isRefusal(placement)
    ? `${placement.refused.message}: ${placement.refused.reasons.join('; ')}`
    : placement.chosen
      ? `about to be placed on ${placement.chosen.name}`
      : refusalSentences(placement.rejected).join('; ') || placement.because
  const placed = said('placed', 'false', 'no-host', message)
  return { phase: 'pending', conditions: [placed, notPlaced(message)], seen: undefined }
}

const notPlaced = (message: string): Condition => said('ready', 'false', 'not-placed', message)

const said = (
  type: string,
  status: Condition['status'],
  reason: string,
  message: string
): Condition => ({ type, status, reason, message })
