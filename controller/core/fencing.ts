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
 * says of a host that is seen to write to shared storage after that; see storage-witness.ts.
 *
 * From `fencing` on the host gets no orders, so nothing new can begin there.
 * Only that a fence is wanted is recorded, not how far it is: whoever leads next asks bootd anew.
 */
import type { Host, HostRecovery } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Change, Commit } from './commit.ts'
import { waitingWordsOf } from './evacuation.ts'
import { notification } from './notification.ts'
import { expiryOf, isSameSelfFence, selfFenceOf } from './self-fence.ts'
import { doubtOf, quietMs, quietWords, witnessHolds } from './storage-witness.ts'
import { subjectOf } from './subject.ts'
import { type Missing, missingOnce, suspicionOf } from './suspicion.ts'
import type { View } from './view.ts'

/** A host that speaks so long after it was proven off is not off. Unit: ms. */
const lyingMs = 3_000

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
      : (beginning(view, host, { context, missing }) ??
        booted(view, host, context) ??
        reliance(view, host, context))
    if (commit) yield commit
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
  return change(view, { ...host, decided: { ...host.decided, recovery } }, context, {
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

/** Remembers each boot, since what was believed of an earlier one is void, and where peers look. */
function booted(view: View, host: Host, context: Context): Commit | undefined {
  const { report } = view.heard(host.name)
  if (!report) return undefined
  const { bootId: before, probeEndpoint: at } = host.decided
  const { bootId, probeEndpoint = at } = report
  if (bootId === before && probeEndpoint === at) return undefined
  const decided = { ...host.decided, bootId, ...(probeEndpoint && { probeEndpoint }) }
  const after: Host = { ...host, decided }
  if (before === undefined || before === bootId)
    return { changes: [{ op: 'put', resource: after }], decisions: [] }
  const message = `booted anew: boot ${bootId}, was ${before}`
  return change(view, after, context, { verb: 'host-booted', message, severity: 'notice' })
}

/** Records what the next controller, too, may rely on, before anything is built on it. */
function reliance(view: View, host: Host, context: Context): Commit | undefined {
  const { selfFence: known, ...decided } = host.decided
  const selfFence = selfFenceOf(view, host)
  if (isSameSelfFence(known, selfFence)) return undefined
  const after: Host = { ...host, decided: { ...decided, ...(selfFence && { selfFence }) } }
  const wasArmed = known?.armed !== undefined
  if (wasArmed === (selfFence?.armed !== undefined)) {
    return { changes: [{ op: 'put', resource: after }], decisions: [] }
  }
  const message = wasArmed
    ? 'nothing can be relied on any more of its self-fence'
    : `fences itself ${formatMs(selfFence!.limitMs)} after its last lease: its watchdog ` +
      `${selfFence!.armed!.identity} (${formatMs(selfFence!.armed!.timeoutMs)}) is armed`
  return {
    changes: [{ op: 'put', resource: after }],
    decisions: [decision(context, 'self-fence', message, subjectOf(host))]
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
  const verdict = proofIn(view.fence(host.name), recovery)
  if (verdict) {
    const doubt = doubtOf(view, host, { recovery, now: context.now.monotonic })
    if (doubt?.state === 'writes' && !recovery.contradicted) {
      return contradicted(view, lost, { said: verdict.because, seen: doubt.because }, context)
    }
    if (!doubt || !witnessHolds(view)) return confirmed(view, lost, verdict, context)
  }
  const heard = view.heard(host.name)
  if (!isHeardSinceLost(view, host.name)) return expired(view, lost, context)
  const { report } = heard
  if (!report) return undefined
  const isSame = report.bootId === recovery.bootId
  if (isSame && recovery.contradicted) {
    const message =
      `heard in the same boot ${recovery.bootId} though its fence device read off: the device ` +
      'lies; nothing has moved, and nothing new comes'
    return back(view, outOfService(host, context), context, {
      verb: 'fence-lied',
      message,
      severity: 'alarm'
    })
  }
  // What a device has said, and is not contradicted, is settled in a moment.
  if (isSame && verdict) return undefined
  const message = isSame
    ? 'heard again before it was proven off: the fence is withdrawn, nothing has moved'
    : `back by itself with boot ${report.bootId}: what ran there has ended, and starts there again`
  return back(view, host, context, { verb: 'fence-withdrawn', message, severity: 'warning' })
}

function confirmed(
  view: View,
  lost: Lost,
  verdict: { readonly because: string },
  context: Context
): Commit {
  const { host, recovery } = lost
  const took = sinceLost(view, host, recovery.since, context)
  const quiet = recovery.contradicted ? quietWords(view, host, context.now.monotonic) : ''
  const rest = quiet === '' ? '' : `; ${quiet}`
  const because = `${verdict.because} (${took} after it was taken for dead)${rest}`
  return fenced(view, lost, { verdict: 'off-confirmed', because }, context)
}

/** Tells that a device says off of a host that writes; recorded, for whoever leads next. */
function contradicted(
  view: View,
  { host, recovery }: Lost,
  { said, seen }: { readonly said: string; readonly seen: string },
  context: Context
): Commit {
  const after = { ...recovery, contradicted: { at: isoOf(context), because: seen } }
  const then =
    recovery.phase === 'fenced'
      ? 'what has started elsewhere may run twice: cut its power by hand'
      : witnessHolds(view)
        ? `nothing starts elsewhere until it stops for ${formatMs(quietMs)}: cut its power by hand`
        : 'what runs there starts elsewhere all the same (storageWitness: alarm)'
  const message = `its fence device says off, but ${seen}: ${then}; the device said: ${said}`
  return change(view, { ...host, decided: { ...host.decided, recovery: after } }, context, {
    verb: 'fence-contradicted',
    message,
    severity: 'alarm'
  })
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
  { id }: HostRecovery
): { readonly because: string } | undefined =>
  state?.verdict?.verdict === 'off-confirmed' && state.verdict.fence === id
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
  return change(view, { ...host, decided: { ...host.decided, recovery: after } }, context, {
    verb: 'fenced',
    message,
    severity: 'alarm'
  })
}

function nextOfFenced(view: View, { host, recovery }: Lost, context: Context): Commit | undefined {
  const heard = view.heard(host.name)
  const { proof, bootId } = recovery
  if (proof?.verdict === 'off-confirmed' && !recovery.contradicted) {
    const doubt = doubtOf(view, host, { recovery, now: context.now.monotonic })
    if (doubt?.state === 'writes') {
      const words = { said: proof.because, seen: doubt.because }
      return contradicted(view, { host, recovery }, words, context)
    }
  }
  if (!proof || !heard.report || !isHeardSinceLost(view, host.name)) return undefined
  // A heartbeat does not name its boot, and the report that we have may be of before the fence.
  if ((heard.reportAt ?? 0) <= view.lostSince(host.name)) return undefined
  const offFor = sinceLost(view, host, proof.at, context)
  if (bootId === undefined || heard.report.bootId !== bootId) {
    const message = `back with boot ${heard.report.bootId}, ${offFor} after it was proven off`
    return back(view, host, context, { verb: 'host-back', message, severity: 'notice' })
  }
  if (proof.verdict === 'expired') {
    const message = `back in the same boot, ${offFor} after it must have ended by itself`
    return back(view, host, context, { verb: 'host-back', message, severity: 'notice' })
  }
  if ((heard.reportAt ?? 0) - view.lostSince(host.name) < lyingMs) return undefined
  const message =
    `heard in the same boot ${bootId}, ${offFor} after it was "proven" off (${proof.because}): ` +
    'the proof was wrong; what has moved away is ended there at once, and nothing new comes'
  const held = outOfService(host, context)
  return back(view, held, context, { verb: 'fence-lied', message, severity: 'alarm' })
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

function back(view: View, host: Host, context: Context, words: Words): Commit {
  const { recovery: _, ...decided } = host.decided
  const bootId = view.heard(host.name).report?.bootId ?? decided.bootId
  const after: Host = { ...host, decided: { ...decided, ...(bootId && { bootId }) } }
  return change(view, after, context, words)
}

type Words = {
  readonly verb: string
  readonly message: string
  readonly severity: 'notice' | 'warning' | 'alarm'
}

function change(view: View, host: Host, context: Context, words: Words): Commit {
  const { verb, message, severity } = words
  const subject = subjectOf(host)
  const seen = { subject, reason: verb, message, severity, source: 'controller' }
  const event = notification(view, { ...seen, at: isoOf(context) }, context)
  return {
    changes: [host, event].map((resource: Resource): Change => ({ op: 'put', resource })),
    decisions: [decision(context, verb, message, subject)]
  }
}

/** Whether a host is proven off, so that nothing of it runs. */
export const isOff = (view: View, host: string | undefined): boolean =>
  host !== undefined && view.named('host', host)?.decided.recovery?.phase === 'fenced'
