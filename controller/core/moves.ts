/**
 * How an instance gets from one host to another, and why never two of it run.
 *
 *             the target is ready          it has left, the target has it
 *   ┌───────────┐ ──────────► ┌─────────┐ ─────────────────────────────────► moved
 *   │ preparing │             │ sending │ ── it has left, the target ───┐
 *   └───────────┘             └─────────┘    has not said so            │
 *         │ cancel                 │ cancel, or the source failed       ▼
 *         │                        ▼                                ┌────────┐ it is there
 *         │                 ┌─────────────┐ the source has it no    │ asking │ ───────► moved
 *         │                 │ withdrawing │ more, or holds it still └────────┘
 *         │                 └─────────────┘ ──────────────────────────►  │
 *         ▼                        │ the source has it                   │ it is not there
 *       stays ◄────────────────────┴─────────────────────────────────────┘
 *
 *   sending or withdrawing ── it runs on the target, and a part of its memory is on the source ──┐
 *   moved ◄──── it has left, and the target has all ──── ┌──────────┐ ◄──────────────────────────┘
 *   asking ◄─── it has left, or the source is off ────── │ crossing │
 *   withdrawing, as lost ◄─── tried in vain, or given ── └──────────┘
 *                             up, or the target is off
 *
 * Each phase is a commit and a step of its own, and each host repeats the step that it speaks of.
 * So nothing that was said before a phase is taken for an answer in it, whoever dies and returns
 * in between, and whatever messages are late.
 *
 * - Only the source ever begins to send, and only while it is told to: in `sending`.
 * - The source never starts an instance that leaves. So "gone" is final, in whatever step it is
 *   said: from then on the target's copy is the only one that there can be.
 * - The target never starts an instance that arrives. It runs there only by arriving in full.
 * - "It stays" counts only in `withdrawing`, where the source may not begin anew: then nobody
 *   sends, and nobody will.
 * - "It is not there" counts only in `asking`, which begins once the source has said that it does
 *   not send any more: what has not arrived by then never will.
 * - A host that says nothing leaves the move where it is. Its word is waited for, or the proof
 *   that it is off: then it has nothing, sends nothing and will not.
 * - Crossing cannot be called back: what the source has may never run again, what the target has is
 *   not whole. When they lose each other for good both parts are ended, the source's first, and
 *   the instance starts anew from its volumes. It counts as "here" only once it is whole.
 *
 * One thing is left to the hypervisor: when the two libvirts lose each other while the target lets
 * the instance go on, the source may do so too. There the locks that QEMU holds on the volumes
 * decide: whoever has not got them does not run. So a source that runs has them, and is believed.
 */

import type { Resource } from '#shared/model/index.ts'
import type { Instance, InstanceMove } from '#shared/model/instance.ts'
import { formatMs } from '#shared/units.ts'
import type { ReportMove } from '#shared/wire/order.ts'
import { type Context, decision } from './admission/context.ts'
import { onHost } from './admission/instance-create.ts'
import type { Change, Commit } from './commit.ts'
import { isOff } from './fencing.ts'
import { notification } from './notification.ts'
import { roomHostOf } from './preemption.ts'
import { stillNoted } from './standstill.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** What both hosts last said of a move; undefined: nothing yet. */
export type Words = {
  readonly source: ReportMove | undefined
  readonly target: ReportMove | undefined
}

/** What becomes of a move; undefined: it is waited on. */
export type NextOfMove =
  | { readonly next: 'moved'; readonly because: string }
  | { readonly next: 'stays'; readonly because: string }
  | {
      readonly next: 'sending' | 'crossing' | 'withdrawing' | 'asking'
      readonly because: string
      readonly lost?: true
    }

/** Which of the two hosts is proven off: nothing runs there, and it says no more. */
export type Off = { readonly source: boolean; readonly target: boolean }

const bothOn: Off = { source: false, target: false }

/**
 * What is left of a crossing instance is tried to be sent so often before it is given up. With the
 * waits between them that is a good minute, longer than most instances take to start anew.
 */
export const crossingTriesMax = 7

/** Judges what comes next of what both hosts say, or of what is proven of one that is off. */
export function nextOfMove(move: Judged, words: Words, off: Off = bothOn): NextOfMove | undefined {
  const { source, target } = words
  if (off.source || off.target) {
    const next = nextWithoutOne(move, words, off)
    if (next) return next
  }
  const now = (word: ReportMove | undefined) => (word?.step === move.step ? word : undefined)
  const hasLeft = source?.stand === 'gone' && move.phase !== 'preparing'
  if (hasLeft && target?.stand === 'here') {
    return { next: 'moved', because: `${source.message}; ${target.message}` }
  }
  switch (move.phase) {
    case 'preparing':
      if (now(target)?.stand === 'ready') return { next: 'sending', because: target!.message }
      return move.live && now(source)?.stand === 'gone'
        ? { next: 'stays', because: 'it ended before it could leave' }
        : undefined
    case 'sending':
      return nextOfSending(move, now(source))
    case 'crossing':
      return nextOfCrossing(now(source), now(target))
    case 'withdrawing':
      return nextOfWithdrawing(move, now(source))
    case 'asking': {
      const stand = now(target)?.stand
      if (stand === 'here') return { next: 'moved', because: target!.message }
      if (stand !== 'ready' && stand !== 'preparing') return undefined
      const because = `${move.because ?? 'it was lost on the way'}; ${target!.message}`
      return { next: 'stays', because }
    }
    default:
      return move.phase satisfies never
  }
}

/**
 * A source that is off sends nothing any more, so the target is asked at once; what has not arrived
 * is started anew. A target that is off has nothing: the instance stays where it was, once the
 * source has said that it does not send.
 */
function nextWithoutOne(move: Judged, { source, target }: Words, off: Off): NextOfMove | undefined {
  const sourceOff = 'the host that it was on is proven off'
  const targetOff = 'the host that it was to go to is proven off'
  const hasLeft = off.source || source?.stand === 'gone'
  if (hasLeft && target?.stand === 'here' && move.phase !== 'preparing') {
    return { next: 'moved', because: off.source ? sourceOff : target.message }
  }
  switch (move.phase) {
    case 'preparing':
      return { next: 'stays', because: off.source ? sourceOff : targetOff }
    case 'sending':
      if (off.source) {
        return { next: move.live && !off.target ? 'asking' : 'stays', because: sourceOff }
      }
      return source?.step === move.step && source.stand === 'gone'
        ? { next: 'asking', because: targetOff }
        : { next: 'withdrawing', because: targetOff }
    case 'crossing':
      if (off.source && off.target) return { next: 'stays', because: lostWith(sourceOff) }
      return off.source
        ? { next: 'asking', because: lostWith(sourceOff), lost: true }
        : { next: 'withdrawing', because: lostWith(targetOff), lost: true }
    case 'withdrawing':
      if (!off.source) return undefined
      return { next: off.target ? 'stays' : 'asking', because: sourceOff }
    case 'asking':
      return off.target ? { next: 'stays', because: targetOff } : undefined
    default:
      return move.phase satisfies never
  }
}

const lostWith = (because: string): string => `${because}, and with it a part of its memory`

/** It runs on the target, so it can only go on there, or not at all. */
function nextOfCrossing(
  source: ReportMove | undefined,
  target: ReportMove | undefined
): NextOfMove | undefined {
  const isHalf = source?.stand === 'crossing' || source?.stand === 'broken'
  if (isHalf && (target?.stand === 'ready' || target?.stand === 'preparing')) {
    const because = `it has ended where it ran, and its memory is lost: ${source.message}`
    return { next: 'withdrawing', because, lost: true }
  }
  switch (source?.stand) {
    case 'gone':
      return { next: 'asking', because: source.message, lost: true }
    case 'broken': {
      const { tries = 0, message } = source
      if (tries < crossingTriesMax) return undefined
      const because = `given up after ${tries} tries, and its memory is lost: ${message}`
      return { next: 'withdrawing', because, lost: true }
    }
    case 'stays':
    case 'failed':
    case 'held':
      return { next: 'withdrawing', because: source.message }
    default:
      return undefined
  }
}

function nextOfSending(
  move: Pick<InstanceMove, 'live'>,
  source: ReportMove | undefined
): NextOfMove | undefined {
  switch (source?.stand) {
    case 'gone':
      // Nothing but the wish goes to the target: nobody there can have it yet.
      if (!move.live) return { next: 'moved', because: source.message }
      return { next: 'asking', because: source.message }
    case 'failed':
    case 'held':
      return { next: 'withdrawing', because: source.message }
    case 'crossing':
    case 'broken':
      return { next: 'crossing', because: source.message }
    default:
      return undefined
  }
}

function nextOfWithdrawing(
  move: Pick<InstanceMove, 'because' | 'lost'>,
  source: ReportMove | undefined
): NextOfMove | undefined {
  switch (source?.stand) {
    case 'crossing':
    case 'broken':
      // Too late to be called back; what is lost is being ended.
      return move.lost === true ? undefined : { next: 'crossing', because: source.message }
    case 'stays':
    case 'failed':
      return { next: 'stays', because: move.because ?? source.message }
    case 'gone':
    case 'held':
      return { next: 'asking', because: move.because ?? source.message }
    default:
      return undefined
  }
}

type Judged = Pick<InstanceMove, 'phase' | 'step' | 'live' | 'because' | 'lost'>

/** What both hosts of a moving instance last said of this move. */
export function wordsOf(view: View, instance: Instance, move: InstanceMove): Words {
  const wordOf = (host: string | undefined): ReportMove | undefined => {
    const { report } = host === undefined ? { report: undefined } : view.heard(host)
    const said = report?.instances.find(one => one.id === instance.id)?.move
    return said?.move === move.id ? said : undefined
  }
  return { source: wordOf(instance.decided.host), target: wordOf(move.to) }
}

/** Decides what comes next of each instance that is on its way. */
export function* moves(view: View, context: Context): Iterable<Commit> {
  for (const id of [...view.indexes.moving]) {
    const instance = view.get('instance', id)
    const move = instance?.decided.moving
    if (!instance || !move) continue
    const words = wordsOf(view, instance, move)
    const off = { source: isOff(view, instance.decided.host), target: isOff(view, move.to) }
    const next = nextOfMove(move, words, off)
    if (next === undefined) continue
    switch (next.next) {
      case 'moved':
        yield moved(view, { instance, move, because: next.because, words }, context)
        break
      case 'stays':
        yield stays(view, { instance, move, because: next.because }, context)
        break
      default: {
        const commit = onward(view, { instance, move, next }, context)
        if (commit) yield commit
      }
    }
  }
}

type Moving = {
  readonly instance: Instance
  readonly move: InstanceMove
  readonly because: string
}

function moved(
  view: View,
  { instance, move, because, words }: Moving & { readonly words: Words },
  context: Context
): Commit {
  const { moving: _, roomFrom: __, preempted: ___, ...decided } = instance.decided
  const after: Instance = { ...instance, decided: { ...decided, host: move.to } }
  const volumes = decided.volumes
    .flatMap(id => view.get('volume', id) ?? [])
    .map(volume => onHost(volume, move.to))
  const took = formatMs(Math.max(0, context.now.wall - Date.parse(move.startedAt)))
  const { downtimeMs } = words.target ?? {}
  const still = downtimeMs === undefined ? '' : `, it stood still for ${downtimeMs} ms`
  const text = `from ${instance.decided.host} to ${move.to} in ${took}${still}: ${because}`
  const source = stillNoted(view, instance.decided.host, downtimeMs)
  const all: readonly Resource[] = [after, ...volumes, ...(source ? [source] : [])]
  return {
    changes: all.map((resource): Change => ({ op: 'put', resource })),
    decisions: [decision(context, 'moved', text, subjectOf(instance))]
  }
}

/** A cancelled move ends in the same way as one that failed, but is no news. */
function stays(view: View, { instance, move, because }: Moving, context: Context): Commit {
  const after = stayed(instance)
  const subject = subjectOf(instance)
  const anew = move.lost || move.phase === 'crossing' ? '; it starts anew from its volumes' : ''
  const message = `stays on ${instance.decided.host}, not moved to ${move.to}: ${because}${anew}`
  const at = new Date(context.now.wall).toISOString()
  const spec = { subject, reason: 'move-failed', message, severity: 'warning' as const }
  const event = notification(view, { ...spec, source: 'controller', at }, context)
  return {
    changes: [after, event].map((resource: Resource): Change => ({ op: 'put', resource })),
    decisions: [decision(context, 'move-failed', message, subject)]
  }
}

/** An instance that is no longer on its way, and is where it was. */
export function stayed(instance: Instance): Instance {
  const { moving: _, ...decided } = instance.decided
  return { ...instance, decided }
}

function onward(
  view: View,
  given: {
    readonly instance: Instance
    readonly move: InstanceMove
    readonly next: Extract<NextOfMove, { readonly next: InstanceMove['phase'] }>
  },
  context: Context
): Commit | undefined {
  const { instance, move, next } = given
  const door = next.next === 'sending' && move.live ? doorOf(view, move.to) : undefined
  if (next.next === 'sending' && move.live && !door) return undefined
  // Others still make room for it there.
  if (instance.decided.roomFrom && roomHostOf(view, instance) === move.to) return undefined
  const after = inPhase(instance, move, {
    phase: next.next,
    ...(door && { door }),
    ...(next.next !== 'sending' && { because: next.because }),
    ...(next.lost && { lost: true })
  })
  return {
    changes: [{ op: 'put', resource: after }],
    decisions: [decision(context, `move-${next.next}`, next.because, subjectOf(instance))]
  }
}

function doorOf(view: View, host: string): InstanceMove['door'] {
  const { migration } = view.heard(host).report ?? {}
  if (!migration || migration.fault !== undefined) return undefined
  const { uri, address, folder, postCopy } = migration
  return { uri, address, folder, ...(postCopy?.works && { postCopy: true }) }
}

/** The instance in the next phase of its move. */
export function inPhase(
  instance: Instance,
  move: InstanceMove,
  change: Pick<InstanceMove, 'phase' | 'door' | 'because' | 'lost'>
): Instance {
  const moving = { ...move, ...change, step: move.step + 1 }
  return { ...instance, decided: { ...instance.decided, moving } }
}
