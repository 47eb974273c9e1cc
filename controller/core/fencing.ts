/**
 * Fence before move: how a host that is taken for dead is proven off, and how it comes back.
 *
 *              suspected                    proof
 *   (in use) ────────────► fencing ─────────────────────► fenced ──► its instances start elsewhere
 *      ▲                      │                             │
 *      │  it speaks, and is   │                             │ it is heard with another boot
 *      ├──── the same boot ───┘                             │
 *      └────────────────────────────────────────────────────┘
 *
 * Proof is what bootd says of this very fence: a device that is not the host has read *off* twice.
 * Or an operator's word, or the host's own: a boot that is another one than that which was lost.
 * Or that its own watchdog must have reset it by now; see self-fence.ts.
 * Nothing else is proof: no return code, no silence however long, no reset. Nor is what a device
 * says of a host that is seen to write to shared storage after that (storage-witness.ts): then the
 * levels after it are asked (fence-turn.ts). Where that is seen only after it counted as proof, the
 * host is fenced again from there, and what has lost it and has no host yet waits for that. Nor is
 * an operator's word, or a device's, proof against what the host itself shows (contradiction.ts).
 *
 * From `fencing` on the host gets no orders, so nothing new can begin there.
 * Only that a fence is wanted is recorded, not how far it is: whoever leads next asks bootd anew.
 */

import type { Host, HostRecovery, WrongDevice } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { type Context, isoOf } from './admission/context.ts'
import { type Missing, missingOnce } from './brake.ts'
import type { Commit } from './commit.ts'
import {
  contradictedAgain,
  deviceContradicted,
  isHeardAfterReading,
  isVoiced,
  lyingMs,
  operatorContradicted,
  speaksOn,
  spoken
} from './contradiction.ts'
import { wrongDevicesOf } from './device-words.ts'
import { waitingWordsOf } from './evacuation.ts'
import { type FenceTurn, fenceTurnOf, isLasting, isTurnContradicted } from './fence-turn.ts'
import { type HostWords, hostChange } from './host-change.ts'
import { reliedOn } from './host-said.ts'
import { expiryOf } from './self-fence.ts'
import { staying } from './stayed.ts'
import { doubtOf, isQuiet, quietWords, witnessHolds, writesSince } from './storage-witness.ts'
import { suspicionOf } from './suspicion.ts'
import type { View } from './view.ts'

/** Decides what comes next of hosts that are dead, were dead, or may be. */
export function* fencings(view: View, context: Context): Iterable<Commit> {
  // Who is fenced meanwhile was missing before, and still is.
  const missing = missingOnce(view, context.now.monotonic)
  for (const id of [...view.all('host').keys()]) {
    // Between two commits others may have recorded something of the next one.
    const host = view.get('host', id)
    if (!host) continue
    const { recovery } = host.decided
    const commit = recovery
      ? nextOfRecovery(view, { host, recovery }, context)
      : (beginning(view, host, { context, missing }) ?? reliedOn(view, host, context))
    if (!commit) continue
    yield commit
    if (commit.decisions.some(({ verb }) => verb === 'fence-lied')) {
      yield* staying(view, host, context)
    }
  }
}

function beginning(
  view: View,
  host: Host,
  { context, missing }: { readonly context: Context; readonly missing: () => Missing }
): Commit | undefined {
  const suspicion = suspicionOf(view, host, context.now.monotonic, missing)
  if (suspicion.verdict !== 'suspect') return undefined
  const { because } = suspicion
  const recovery = recoveryOf(host, because, context)
  const message = `taken for dead: ${because}; must be off before anything starts elsewhere`
  return hostChange(view, { ...host, decided: { ...host.decided, recovery } }, context, {
    verb: 'fencing',
    message,
    severity: 'alarm'
  })
}

/** The beginning of a recovery. */
export function recoveryOf(host: Host, because: string, context: Context): HostRecovery {
  const { bootId } = host.decided
  return {
    id: context.newId('fe'),
    phase: 'fencing',
    since: isoOf(context),
    because,
    ...(bootId !== undefined && { bootId })
  }
}

type Lost = { readonly host: Host; readonly recovery: HostRecovery }

function nextOfRecovery(view: View, lost: Lost, context: Context): Commit | undefined {
  return lost.recovery.phase === 'fencing'
    ? nextOfFencing(view, lost, context)
    : nextOfFenced(view, lost, context)
}

function nextOfFencing(view: View, lost: Lost, context: Context): Commit | undefined {
  const { host, recovery } = lost
  const isContradicted = isTurnContradicted(host, recovery)
  const verdict = proofIn(view.fence(host.name), fenceTurnOf(host, recovery))
  const word = verdict
    ? judged(view, lost, verdict.because, context)
    : cameBack(view, lost, context)
  if (word) return word
  const heard = view.heard(host.name)
  if (!isHeardSinceLost(view, host.name)) return expired(view, lost, context)
  const { report } = heard
  if (!report) return undefined
  // What it runs must be known, and its report of before may be of before all that.
  const isOld = (heard.reportAt ?? 0) <= view.lostSince(host.name)
  if (recovery.contradicted && isOld) return undefined
  const isSame = report.bootId === recovery.bootId
  if (isSame && recovery.contradicted && (isContradicted || !verdict)) {
    const rest = recovery.contradicted.wasProof
      ? 'what has moved away is ended there at once'
      : 'nothing has moved'
    const said =
      recovery.contradicted.by === 'operator'
        ? 'an operator said that it is off: that was wrong'
        : 'its fence device read off: the device lies'
    const message =
      `heard in the same boot ${recovery.bootId} though ${said}; ${rest}, ` +
      'and nothing new comes'
    return lied(view, host, context, message)
  }
  // What a device has said, and is not contradicted, is settled in a moment.
  if (isSame && verdict) return undefined
  const message = isSame
    ? 'heard again before it was proven off: the fence is withdrawn, nothing has moved'
    : `back by itself with boot ${report.bootId}: what ran there has ended, and starts there again`
  return back(view, host, context, { verb: 'fence-withdrawn', message, severity: 'warning' })
}

/** What comes of a device's word; undefined: it is neither believed nor found out to lie yet. */
function judged(view: View, lost: Lost, said: string, context: Context): Commit | undefined {
  const { host, recovery } = lost
  const isContradicted = isTurnContradicted(host, recovery)
  // What is told of a device for good comes before what quiet may take back.
  const wrong = wrongBefore(view, lost)
  if (wrong && !isContradicted) {
    return deviceContradicted(view, lost, { said, seen: wrong, spoke: true }, context)
  }
  const doubt = doubtOf(view, host, { recovery, now: context.now.monotonic })
  if (doubt?.state === 'writes' && !isContradicted) {
    return deviceContradicted(view, lost, { said, seen: doubt.because }, context)
  }
  const lies = isHeardAfterReading(view, host, recovery)
  if (lies && !isContradicted) {
    return deviceContradicted(view, lost, spoken(said, recovery), context)
  }
  if (recovery.contradicted && (lies || isVoicedSinceLost(view, lost))) return undefined
  if (doubt && witnessHolds(view)) return undefined
  if (!isContradicted) return confirmed(view, lost, said, context)
  if (recovery.contradicted?.spoke || wrong) return undefined
  return confirmed(view, { host, recovery: returning(view, recovery) }, said, context)
}

/** Why no word of the level that reads off counts: it read so before, of a host that spoke. */
function wrongBefore(view: View, { host, recovery }: Lost): string | undefined {
  const { fence, from } = fenceTurnOf(host, recovery)
  const level = view.witnesses.storage.readOffLevel(host.name, fence) ?? from
  const wrong = wrongAt(view, host, level)
  return wrong && `before that, ${wrong.name} ${wrong.because}`
}

/** A device of a level that read off of the host while it spoke. */
const wrongAt = (view: View, host: Host, level: number): WrongDevice | undefined =>
  wrongDevicesOf(view, host).find(one => one.level === level && one.power === 'off')

/** A device that was contradicted, where no other one answers, and the host is not seen to live. */
function cameBack(view: View, lost: Lost, context: Context): Commit | undefined {
  const { host, recovery } = lost
  const { contradicted } = recovery
  if (!contradicted || contradicted.by === 'operator' || contradicted.spoke) return undefined
  if (isTurnContradicted(host, recovery) || isVoicedSinceLost(view, lost)) return undefined
  if (wrongAt(view, host, contradicted.level)) return undefined
  const isOver = !isLasting(contradicted) && isQuiet(view, host, context.now.monotonic)
  if (!isOver && witnessHolds(view)) return undefined
  const after = { host, recovery: returning(view, recovery) }
  return confirmed(view, after, contradicted.said, context)
}

/** A recovery in which the word that was contradicted counts once more, and never again. */
function returning(view: View, { contradicted, ...rest }: HostRecovery): HostRecovery {
  if (!contradicted) return rest
  return { ...rest, contradicted: { ...contradicted, ...(witnessHolds(view) && { again: true }) } }
}

/** Whether a host is heard since it was lost, and not in a new boot. */
const isVoicedSinceLost = (view: View, { host, recovery }: Lost): boolean =>
  isHeardSinceLost(view, host.name) && isVoiced(view, host, recovery)

function confirmed(view: View, lost: Lost, said: string, context: Context): Commit {
  const { host, recovery } = lost
  const took = sinceLost(view, host, recovery.since, context)
  const wasDoubted = host.decided.recovery?.contradicted !== undefined
  const quiet = wasDoubted ? quietWords(view, host, context.now.monotonic) : ''
  const rest = quiet === '' ? '' : `; ${quiet}`
  const because = `${said} (${took} after it was taken for dead)${rest}`
  return fenced(view, lost, { verdict: 'off-confirmed', because }, context)
}

/** Where no device proves it, the host's own end does, some time after its last lease. */
function expired(view: View, lost: Lost, context: Context): Commit | undefined {
  const expiry = expiryOf(view, lost.host, lost.recovery)
  const now = context.now.monotonic
  if (expiry?.at === undefined || now < expiry.at) return undefined
  const late = formatMs(Math.max(0, now - expiry.at))
  const because = `${expiry.because}; that was over ${late} ago`
  return fenced(view, lost, { verdict: 'expired', because }, context)
}

/** What bootd says counts for the fence that it was asked for, and for no other one. */
const proofIn = (
  state: FenceState | undefined,
  { fence }: FenceTurn
): { readonly because: string } | undefined =>
  state?.verdict?.verdict === 'off-confirmed' && state.verdict.fence === fence
    ? state.verdict
    : undefined

/** Records a proof, from which on its instances may start elsewhere. */
export function fenced(
  view: View,
  { host, recovery }: Lost,
  proof: Omit<NonNullable<HostRecovery['proof']>, 'at'>,
  context: Context
): Commit {
  const after: HostRecovery = {
    ...recovery,
    phase: 'fenced',
    proof: { ...proof, at: isoOf(context) }
  }
  const waiting = waitingWordsOf(view, host)
  const rest = waiting === undefined ? '' : `; ${waiting}`
  const message = `proven off (${proof.verdict}): ${proof.because}${rest}`
  return hostChange(view, { ...host, decided: { ...host.decided, recovery: after } }, context, {
    verb: 'fenced',
    message,
    severity: 'alarm'
  })
}

function nextOfFenced(view: View, { host, recovery }: Lost, context: Context): Commit | undefined {
  const heard = view.heard(host.name)
  const { proof, bootId } = recovery
  const contradiction = proof && contradictionOf(view, { host, recovery }, proof, context)
  if (contradiction) return contradiction
  if (!proof || !isHeardSinceLost(view, host.name)) return undefined
  // The report that we have may be of before the fence: it does not say what runs there now.
  if (!heard.report || (heard.reportAt ?? 0) <= view.lostSince(host.name)) {
    return overheard(view, { host, recovery }, context)
  }
  const offFor = sinceLost(view, host, proof.at, context)
  if (bootId === undefined || heard.report.bootId !== bootId) {
    const message = `back with boot ${heard.report.bootId}, ${offFor} after it was proven off`
    return back(view, host, context, { verb: 'host-back', message, severity: 'notice' })
  }
  if (proof.verdict === 'expired') {
    const message = `back in the same boot, ${offFor} after it must have ended by itself`
    return back(view, host, context, { verb: 'host-back', message, severity: 'notice' })
  }
  const isOperator = proof.verdict === 'operator'
  // Of the boot that it names now its report may say nothing yet.
  const knownAt = heard.bootId === bootId ? heard.heardAt : heard.reportAt
  const knownMs = (knownAt ?? 0) - view.lostSince(host.name)
  if (!isOperator && knownMs < lyingMs) return undefined
  const message =
    `heard in the same boot ${bootId}, ${offFor} after it was "proven" off (${proof.because}): ` +
    'the proof was wrong; what has moved away is ended there at once, and nothing new comes'
  return lied(view, host, context, message)
}

/** Who counts as off and is heard in the boot that should be over has not said yet what it runs. */
function overheard(view: View, lost: Lost, context: Context): Commit | undefined {
  const { host, recovery } = lost
  const { proof, contradicted: word } = recovery
  if (!proof || !speaksOn(view, host, recovery)) return undefined
  const contradiction = spoken(originOf(view, lost, proof), recovery)
  if (proof.verdict === 'operator') return operatorContradicted(view, lost, contradiction, context)
  if (!word?.again) return deviceContradicted(view, lost, contradiction, context)
  const { seen } = contradiction
  return contradictedAgain(view, lost, { seen, word: { ...word, spoke: true } }, context)
}

/** What was said itself, without what was made of it when it was believed. */
const originOf = (
  view: View,
  { host, recovery }: Lost,
  { verdict, because }: NonNullable<HostRecovery['proof']>
): string =>
  (verdict === 'off-confirmed' &&
    proofIn(view.fence(host.name), fenceTurnOf(host, recovery))?.because) ||
  because

/** What the storage shows against the proof of a host that counts as off. */
function contradictionOf(
  view: View,
  lost: Lost,
  proof: NonNullable<HostRecovery['proof']>,
  context: Context
): Commit | undefined {
  const { host, recovery } = lost
  const { verdict } = proof
  const said = originOf(view, lost, proof)
  const now = context.now.monotonic
  if (verdict !== 'operator' && verdict !== 'off-confirmed') return undefined
  if (verdict === 'off-confirmed' && !isTurnContradicted(host, recovery)) {
    const doubt = doubtOf(view, host, { recovery, now })
    if (doubt?.state === 'writes') {
      return deviceContradicted(view, lost, { said, seen: doubt.because }, context)
    }
  }
  const { contradicted: word } = recovery
  const isSaid = verdict === 'operator' ? word?.by === 'operator' : word !== undefined
  // It was told already, where nobody is to wait for it.
  if (isSaid && !witnessHolds(view)) return undefined
  const since = Math.max(view.lostSince(host.name), view.listeningSince)
  const seen = writesSince(view, host, { since, now })
  if (seen === undefined) return undefined
  if (verdict === 'operator') return operatorContradicted(view, lost, { said, seen }, context)
  return word === undefined || word.by === 'operator'
    ? deviceContradicted(view, lost, { said, seen }, context)
    : contradictedAgain(view, lost, { seen, word }, context)
}

/** A recovery in which an operator's word counts, and may be contradicted anew. */
export function trusted({ contradicted, ...rest }: HostRecovery): HostRecovery {
  if (!contradicted || (contradicted.by === 'operator' && contradicted.level === 0)) return rest
  const { by: _, ...word } = contradicted
  return { ...rest, contradicted: word }
}

/**
 * One whose device lies keeps what it still runs and nobody else has, and gets nothing new. Of very
 * much the rest follows in commits of its own.
 */
function lied(view: View, host: Host, context: Context, message: string): Commit {
  const next = `${message} until: remuda host resume ${host.name}`
  const words = { verb: 'fence-lied', message: next, severity: 'alarm' } as const
  const commit = back(view, outOfService(host, context), context, words)
  const [kept] = staying(view, host, context)
  return {
    changes: [...commit.changes, ...(kept?.changes ?? [])],
    decisions: [...commit.decisions, ...(kept?.decisions ?? [])]
  }
}

/** One whose device lies is not fenced again by it, and gets nothing new. */
function outOfService(host: Host, context: Context): Host {
  const [since, by] = [isoOf(context), 'controller']
  const duty = { state: 'maintenance' as const, since, by, parallel: 1, cold: false }
  return { ...host, decided: { ...host.decided, duty } }
}

/** How long ago that was: by our own clock where we have seen it, else by people's. */
function sinceLost(view: View, host: Host, at: string, { now }: Context): string {
  const since = view.lostSince(host.name)
  const ms = Number.isFinite(since) ? now.monotonic - since : now.wall - Date.parse(at)
  return formatMs(Math.max(0, ms))
}

/** Whether a host was heard since it is in the phase of its recovery in which it is. */
export function isHeardSinceLost(view: View, host: string): boolean {
  const { connected, heardAt } = view.heard(host)
  return connected && heardAt !== undefined && heardAt > view.lostSince(host)
}

function back(view: View, host: Host, context: Context, words: HostWords): Commit {
  const { recovery: _, ...decided } = host.decided
  const bootId = view.heard(host.name).report?.bootId ?? decided.bootId
  const after: Host = { ...host, decided: { ...decided, ...(bootId && { bootId }) } }
  return hostChange(view, after, context, words)
}

/** Whether a host is proven off, so that nothing of it runs. */
export const isOff = (view: View, host: string | undefined): boolean =>
  host !== undefined && view.named('host', host)?.decided.recovery?.phase === 'fenced'
