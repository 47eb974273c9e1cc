/**
 * What the API shows of a host: how it stands and why, what its agent last said, and how the
 * devices are that would fence it.
 */
import type { Host } from '#shared/model/host.ts'
import { claimWords } from '#shared/model/host-claims.ts'
import type { Condition } from '#shared/model/index.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import { notAdmitted } from '#shared/wire/messages.ts'
import type { Report } from '#shared/wire/order.ts'
import { capacityOf } from './capacity.ts'
import { dutyShown } from './duty-document.ts'
import { fenceReadiness } from './fence-readiness.ts'
import { fenceTurnOf, isLasting, isTurnContradicted } from './fence-turn.ts'
import { phaseOf } from './liveness.ts'
import { isKeptOff } from './power.ts'
import { expiryOf, selfFenceShown } from './self-fence.ts'
import { condition, type Shown } from './shown.ts'
import { silenceOf } from './silence.ts'
import { type Standing, standingOf } from './standing.ts'
import { writesToStorage } from './storage-shown.ts'
import { doubtOf } from './storage-witness.ts'
import { type Suspicion, suspicionOf } from './suspicion.ts'
import { hostUseShown } from './use-shown.ts'
import type { Moment, View } from './view.ts'
import { isFresh, reachSentence } from './witnesses.ts'

/** How a host stands, as far as it can be known here: who only follows hears no host. */
export const standingShown = (view: View, host: Host, now: Ms): Standing =>
  view.watches
    ? standingOf(view, host, now)
    : (host.decided.recovery?.phase ?? phaseOf(host, view.heard(host.name), now))

/** What is shown of a host. */
export function showHost(view: View, host: Host, now: Moment): Shown {
  const heard = view.heard(host.name)
  const phase = standingShown(view, host, now.monotonic)
  const fence = view.fence(host.name)
  const capacity = capacityOf(view, host)
  const duty = dutyShown(view, host, now)
  const { report } = heard
  const claims = view.claims.of(host)
  return {
    status: {
      phase,
      uuid: host.decided.uuid,
      ...(heard.heardAtWall !== undefined && {
        lastHeardAt: new Date(heard.heardAtWall).toISOString()
      }),
      ...(report && { bootId: report.bootId, agentVersion: report.agentVersion }),
      instances: view.indexes.promised(host.name).count,
      foreign: report?.foreign.length ?? 0,
      memoryMib: capacity?.memoryMib ?? 0,
      memoryPromisedMib: capacity?.memoryPromisedMib ?? 0,
      vcpus: capacity?.vcpus ?? 0,
      vcpusPromised: capacity?.vcpusPromised ?? 0,
      ...hostUseShown(view, host.name, now.monotonic),
      ...(report?.facts && { facts: report.facts }),
      ...(claims && { claims }),
      ...(report?.migration && { migration: migrationOf(report.migration) }),
      ...(fence && { fence: fenceShown(fence) }),
      ...selfFenceShown(view, host),
      ...testShown(host),
      ...(duty && { duty })
    },
    conditions: [
      hostReady(view, { host, phase, heardAt: heard.heardAt, now: now.monotonic }),
      ...peersReach(view, host, now.monotonic),
      ...libvirtAnswers(view, host, now.monotonic),
      ...kvmWorks(view, host),
      ...locksVolumes(view, host),
      ...writesToStorage(view, host, now.monotonic),
      ...canBeFenced(view, host)
    ],
    observedGeneration: report ? host.generation : 0
  }
}

const migrationOf = ({ uri, fault, postCopy }: NonNullable<Report['migration']>) => ({
  uri,
  ...(fault !== undefined && { fault }),
  ...(postCopy?.works === false && { postCopyFault: postCopy.because })
})

function hostReady(
  view: View,
  seen: {
    readonly host: Host
    readonly phase: Standing
    readonly heardAt: Ms | undefined
    readonly now: Ms
  }
): Condition {
  const { host, phase, heardAt, now } = seen
  if (phase === 'pending') {
    const claims = view.claims.of(host)
    const says = claims ? `; it says of itself: ${claimWords(claims)}` : ''
    const message = `waits to be let in: remuda host approve ${host.name}${says}`
    return condition('ready', false, { reason: 'pending', message })
  }
  const { recovery, duty } = host.decided
  if (recovery) {
    const { proof, because, since } = recovery
    const message = proof
      ? `proven off at ${proof.at}: ${proof.because}; ${afterProof(host, phase)}`
      : `taken for dead since ${since}: ${because}; ${fenceWords(view, host)}`
    return condition('ready', false, { reason: phase, message })
  }
  if (phase === 'maintenance') {
    const next = `remuda host resume ${host.name}`
    // The controller takes one out of service for this alone; see controller/core/fencing.ts.
    const why =
      duty?.by === 'controller'
        ? ', for it was heard in the boot that was "proven" off: see to what said so, then'
        : ':'
    const message = `out of service since ${duty?.since} by ${duty?.by}${why} ${next}`
    return condition('ready', false, { reason: 'maintenance', message })
  }
  if (phase === 'draining') {
    const message = `is emptied since ${duty?.since} by ${duty?.by}, and takes nothing in`
    return condition('ready', false, { reason: 'draining', message })
  }
  if (!view.watches) {
    const message = 'hosts are heard by the controller alone; this candidate follows the journal'
    return condition('ready', 'unknown', { reason: 'not-watched', message })
  }
  const suspicion = suspicionOf(view, host, now)
  if (suspicion.verdict === 'held') {
    const message = `${suspicion.because}; ${suspicion.next}`
    return condition('ready', false, { reason: suspicion.hold, message })
  }
  if (heardAt === undefined) {
    const { endpoint } = host.decided
    const isRefused = view.heard(host.name).because === notAdmitted
    const dialled = isRefused ? `its agent at ${endpoint} ${strange}` : `dialling ${endpoint}`
    const message =
      suspicion.verdict === 'none'
        ? `not heard since this controller leads; ${dialled}`
        : [suspicion.because, dialled, ...lastingWords(suspicion)].join('; ')
    const reason = isRefused ? 'not-let-in' : 'not-heard'
    return condition('ready', 'unknown', { reason, message })
  }
  const silence = formatMs(now - heardAt)
  if (phase === 'online') {
    return condition('ready', true, { reason: 'online', message: `heard ${silence} ago` })
  }
  const peers = phase === 'silent' ? silenceOf(view, host, now) : ''
  const message = [`not heard for ${silence}${peers}`, ...lastingWords(suspicion)].join('; ')
  return condition('ready', false, { reason: phase, message })
}

/** Why an agent answers and says nothing: its state is not of this cloud, or of before it. */
const strange =
  'does not let this controller in: it belongs to another cloud, which its log names ' +
  '(if it shall leave that one for good: stop it, and remove its agent folder)'

/** What people can do about one that waits, and will. */
const lastingWords = (suspicion: Suspicion): readonly string[] =>
  suspicion.verdict === 'waits' && suspicion.lasts ? [suspicion.lasts.next] : []

function peersReach(view: View, host: Host, now: Ms): readonly Condition[] {
  const words = view.witnesses.of(host.decided.uuid).filter(word => isFresh(word, now))
  if (words.length === 0) return []
  const message = reachSentence(words, now)
  const reached = words.filter(word => word.reached).length
  const reason = reached === words.length ? 'by-all' : reached > 0 ? 'by-some' : 'by-none'
  return [condition('reached-by-peers', reached > 0, { reason, message })]
}

/** What comes next of a host that is off for certain. */
function afterProof(host: Host, phase: Standing): string {
  const { spec, decided, name } = host
  if (phase === 'recovering') return 'it is back, and starts what waited for it'
  if (isKeptOff(host)) {
    const { by, since } = decided.keptOff!
    return `${by} cut its power at ${since}, so it stays off until: remuda power on ${name}`
  }
  return spec.afterFence === 'off' || (spec.fence ?? []).length === 0
    ? 'what ran there starts elsewhere where it can; it stays off until you switch it on'
    : 'what ran there starts elsewhere where it can, and then it is switched on again'
}

function libvirtAnswers(view: View, host: Host, now: Ms): readonly Condition[] {
  const heard = view.heard(host.name)
  const { report } = heard
  if (!report) return []
  if (phaseOf(host, heard, now) === 'silent') {
    const message = 'the host is not heard, so nobody knows'
    return [condition('libvirt', 'unknown', { reason: 'not-heard', message })]
  }
  const silence = report.libvirtSilence
  return silence === undefined
    ? [condition('libvirt', true, { reason: 'answers', message: 'libvirt answers' })]
    : [condition('libvirt', false, { reason: 'silent', message: silence })]
}

function kvmWorks(view: View, host: Host): readonly Condition[] {
  const kvm = view.heard(host.name).report?.facts?.kvm
  if (!kvm) return []
  const reason = kvm.works ? 'tried' : 'does-not-work'
  return [condition('kvm', kvm.works, { reason, message: kvm.because })]
}

/** Whether it can use pools whose volumes are locked. */
function locksVolumes(view: View, host: Host): readonly Condition[] {
  const locks = view.heard(host.name).report?.locks
  if (!locks) return []
  const { fault } = locks
  if (fault === undefined) {
    const message = 'its libvirt locks the volumes of pools that wish it, by virtlockd'
    return [condition('locks', true, { reason: 'virtlockd', message })]
  }
  if ([...view.all('pool').values()].some(({ spec }) => spec.locks === 'virtlockd')) {
    return [condition('locks', false, { reason: 'cannot', message: fault })]
  }
  const message = 'no pool wishes its volumes to be locked: nothing is to be done'
  return [condition('locks', 'unknown', { reason: 'not-wished', message })]
}

/** How far a fence is, by what bootd said last. */
export function fenceWords(view: View, host: Host): string {
  const expiry = host.decided.recovery && expiryOf(view, host, host.decided.recovery)
  if ((host.spec.fence ?? []).length === 0) {
    if (expiry?.at !== undefined) return `it has no fence device, but ${expiry.because}`
    if (expiry) {
      const unknown = 'this controller does not know when that was'
      const confirm = `if it is off: remuda host confirm-off ${host.name}`
      return `it has no fence device; ${expiry.because}, but ${unknown}; ${confirm}`
    }
    const confirm = `if it is off: remuda host confirm-off ${host.name}`
    return `it has no fence device${disbelievedWords(host)}; ${confirm}`
  }
  const state = view.fence(host.name)
  const { recovery } = host.decided
  const before = disbelievedWords(host)
  if (!recovery || state?.fence !== fenceTurnOf(host, recovery).fence)
    return `waits for bootd to take the fence${before}`
  const last = state.story.at(-1)
  const attempt = `attempt ${state.attempt}`
  const isTold = last === undefined || last.startsWith(attempt)
  const rest = isTold ? '' : `; ${attempt} is under way`
  const said = `${last ?? `level ${state.level} is tried`}${rest}`
  return `bootd: ${said}${doubtWords(view, host)}${before}`
}

/** Why the levels are not tried from the first on. */
function disbelievedWords(host: Host): string {
  const { recovery } = host.decided
  if (!recovery?.contradicted || isTurnContradicted(host, recovery)) return ''
  const { level, because, by } = recovery.contradicted
  if (by === 'operator') return `; an operator's word is not believed: ${because}`
  return `; level ${level} is not believed: it said off, but ${because}`
}

/** What keeps the word of a device from being proof. */
function doubtWords(view: View, host: Host): string {
  const { recovery } = host.decided
  const doubt = recovery && doubtOf(view, host, { recovery, now: view.turn.monotonic })
  if (!doubt) return ''
  if (doubt.state === 'unsettled') return `; ${doubt.because}`
  const word = recovery.contradicted
  const isHeld = word && isTurnContradicted(host, recovery) && isLasting(word)
  const then = isHeld ? `, then: remuda host confirm-off ${host.name}` : ''
  return `; but ${doubt.because}: cut its power by hand${then}`
}

const fenceShown = ({ want, phase, verdict, attempt, story, devices }: FenceState) => ({
  want,
  phase,
  attempt,
  ...(verdict && { verdict: verdict.verdict }),
  ...(story.length > 0 && { story: [...story] }),
  devices: devices.map(({ level, name, power, reachable, because }) => ({
    level,
    name,
    power,
    ...(reachable !== undefined && { reachable }),
    ...(because !== undefined && { because })
  }))
})

function testShown({ decided }: Host): object {
  const { fenceTest, fenceTested, power } = decided
  const { step, since, by } = fenceTest ?? {}
  return {
    ...(power && { power: { step: power.step, since: power.since, by: power.by } }),
    ...(fenceTest && { fenceTest: { step, since, by } }),
    ...(fenceTested && { fenceTested })
  }
}

/** A device that is dead is to be known before it is needed. */
function canBeFenced(view: View, host: Host): readonly Condition[] {
  if (host.decided.approval !== 'approved') return []
  const { state, because: message } = fenceReadiness(view, host)
  if (state === 'ready') return [condition('fence', true, { reason: 'devices-answer', message })]
  if (state === 'self-fence') return [condition('fence', true, { reason: state, message })]
  if (state === 'not-asked' || state === 'alone') {
    return [condition('fence', 'unknown', { reason: state, message })]
  }
  const reason = state === 'degraded' ? 'device-degraded' : state
  return [condition('fence', false, { reason, message })]
}
