/**
 * Whoever said that a host is off may have erred, and the host shows it: it writes to shared
 * storage after that, or it is heard in the boot that should be over.
 *
 *   who said off     what shows otherwise              what becomes of it
 *   a device         it writes, or its heartbeat       fenced on, by the levels after that device
 *   an operator      it writes, or its heartbeat       fenced on, by its devices from the first on
 *   either           its report, in the same boot      in use, out of service: what has started
 *                                                      elsewhere ends there, the rest is its own
 *
 * Each is an alarm, at once, and what has not started elsewhere yet waits. It is recorded, so that
 * neither a line that drops, nor silence, nor another controller makes a proof of the word again:
 * that takes a device that reads off and is not contradicted, a new boot, its report, or an
 * operator who says so anew. Only where a device was contradicted by the storage alone, and the
 * storage shows for long that nothing is written any more, its word counts after all; once.
 *
 * What a device says is given some seconds before a heartbeat or a report counts against it, since
 * the last words of a host may be on their way when it loses its power. An operator's word is not:
 * it is taken only of a host that is silent for long, or was never heard.
 */
import { deviceName } from '#shared/model/fence.ts'
import type { Host, HostRecovery } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { type Context, isoOf } from './admission/context.ts'
import type { Commit } from './commit.ts'
import { fenceTurnOf, isLasting } from './fence-turn.ts'
import { hostChange } from './host-change.ts'
import { phaseOf } from './liveness.ts'
import { quietMs, witnessHolds } from './storage-witness.ts'
import type { View } from './view.ts'

type Lost = { readonly host: Host; readonly recovery: HostRecovery }
type Word = NonNullable<HostRecovery['contradicted']>

/** A host that speaks so long after a device has said that it is off is not off. */
export const lyingMs: Ms = 3_000

/** What was said of a host, and what it shows against that, to follow "but". */
export type Contradiction = {
  readonly said: string
  readonly seen: string
  /** It is heard, so what the storage shows later is no excuse for what was said. */
  readonly spoke?: true
}

/** That a host is heard where it should be off. */
export const spoken = (said: string, { bootId }: HostRecovery): Contradiction => ({
  said,
  seen: `it is heard in the boot ${bootId} that should be over`,
  spoke: true
})

/** Tells that a device says off of a host that lives; recorded, for whoever leads next. */
export function deviceContradicted(
  view: View,
  lost: Lost,
  { seen, ...rest }: Contradiction,
  context: Context
): Commit {
  const { host, recovery } = lost
  const { fence, from } = fenceTurnOf(host, recovery)
  const level = view.witnesses.storage.readOffLevel(host.name, fence) ?? from
  const word: Word = { at: isoOf(context), because: seen, ...rest, level, fence }
  return contradicted(view, lost, word, context)
}

/** Tells that a host lives whose device had come to count again: what it said stays as it was. */
export function contradictedAgain(
  view: View,
  lost: Lost,
  { seen, word }: { readonly seen: string; readonly word: Word },
  context: Context
): Commit {
  return contradicted(view, lost, { ...word, at: isoOf(context), because: seen }, context)
}

/** Tells that a host lives that an operator has said to be off: its devices are tried. */
export function operatorContradicted(
  view: View,
  lost: Lost,
  { seen, ...rest }: Contradiction,
  context: Context
): Commit {
  // A device that has lied before is not asked again: those after it are.
  const { level = 0, fence = '' } = lost.recovery.contradicted ?? {}
  const by = 'operator' as const
  const word: Word = { at: isoOf(context), because: seen, ...rest, level, fence, by }
  return contradicted(view, lost, word, context)
}

function contradicted(view: View, lost: Lost, word: Word, context: Context): Commit {
  const { host, recovery } = lost
  const [who, whose] =
    word.by === 'operator'
      ? ['an operator said that it is off', "the operator's word"]
      : ['its fence device says off', 'the device said']
  const then = `${contradictedWords(view, lost, word)}; ${whose}: ${word.said}`
  const message = `${who}, but ${word.because}: ${then}`
  const wasProof = recovery.phase === 'fenced' || recovery.contradicted?.wasProof === true
  const { proof, ...rest } = recovery
  const told = { ...rest, contradicted: { ...word, ...(wasProof && { wasProof }) } }
  // The proof was none: it is fenced on, and what has not started elsewhere yet waits for that.
  const after: HostRecovery = holds(view, word)
    ? { ...told, phase: 'fencing' }
    : { ...told, ...(proof && { proof }) }
  return hostChange(view, { ...host, decided: { ...host.decided, recovery: after } }, context, {
    verb: 'fence-contradicted',
    message,
    severity: 'alarm'
  })
}

/** Whoever would rather not wait for the storage to tell still waits for a host that is heard. */
const holds = (view: View, { spoke }: Word): boolean => spoke === true || witnessHolds(view)

function contradictedWords(view: View, { host, recovery }: Lost, word: Word): string {
  if (recovery.phase === 'fencing') {
    return holds(view, word)
      ? heldWords(host, word)
      : 'what runs there starts elsewhere all the same (storageWitness: alarm)'
  }
  const twice = 'what has started elsewhere may run twice'
  return `${twice}${holds(view, word) ? `; ${heldWords(host, word)}` : ': cut its power by hand'}`
}

/** What comes of it where nothing may move: the level after the one that lied, or people. */
function heldWords({ name, spec }: Host, word: Word): string {
  const { level } = word
  const next = spec.fence?.[level]?.devices.map(deviceName).join(' and ')
  if (isLasting(word)) {
    const waits = 'nothing starts elsewhere until it is off'
    return next === undefined
      ? `${waits}: cut its power by hand, then: remuda host confirm-off ${name}`
      : `trying level ${level + 1}, ${next}; ${waits}`
  }
  const stops = `it stops for ${formatMs(quietMs)}`
  return next === undefined
    ? `nothing starts elsewhere until ${stops}: cut its power by hand`
    : `trying level ${level + 1}, ${next}; nothing starts elsewhere until it is off or ${stops}`
}

/** Whether a host that was said to be off speaks in that boot, and has not reported since. */
export function speaksOn(view: View, host: Host, recovery: HostRecovery): boolean {
  const { bootId, reportAt = Number.NEGATIVE_INFINITY } = view.heard(host.name)
  if (reportAt > view.lostSince(host.name) || bootId !== recovery.bootId) return false
  return isDisowned(view, host, recovery)
}

/** Whether such a host speaks, and has not said yet that it has booted since. */
export function isDisowned(view: View, host: Host, recovery: HostRecovery): boolean {
  const { phase, proof, contradicted } = recovery
  if (phase === 'fencing') return contradicted?.spoke === true && isVoiced(view, host, recovery)
  if (proof?.verdict !== 'operator' && proof?.verdict !== 'off-confirmed') return false
  const since = view.lostSince(host.name)
  const { heardAt = Number.NEGATIVE_INFINITY } = view.heard(host.name)
  if (proof.verdict === 'off-confirmed' && heardAt < since + lyingMs) return false
  return heardAt > since && isVoiced(view, host, recovery)
}

/** Whether a host is heard, and not in another boot than that which is over when it is off. */
export function isVoiced(view: View, host: Host, { bootId }: HostRecovery): boolean {
  const heard = view.heard(host.name)
  if (bootId === undefined || !heard.connected || heard.heardAt === undefined) return false
  if (phaseOf(host, heard, view.turn.monotonic) === 'silent') return false
  return heard.bootId === undefined || heard.bootId === bootId
}

/** Whether it was heard in that boot so long after its devices read off that they lie. */
export function isHeardAfterReading(view: View, host: Host, recovery: HostRecovery): boolean {
  const { fence } = fenceTurnOf(host, recovery)
  const readAt = view.witnesses.storage.readOffAt(host.name, fence) ?? Number.POSITIVE_INFINITY
  const { heardAt = Number.NEGATIVE_INFINITY, bootId } = view.heard(host.name)
  return bootId !== undefined && bootId === recovery.bootId && heardAt >= readAt + lyingMs
}
