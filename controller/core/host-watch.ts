/**
 * Watches what becomes of hosts: one that falls silent, is heard again, or whose libvirt no longer
 * answers is told of in its history and as a notification. What was seen last is an argument.
 */
import type { Host, WrongDevice } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { Report } from '#shared/wire/order.ts'
import { type Context, isoOf } from './admission/context.ts'
import { missingOnce } from './brake.ts'
import type { Commit } from './commit.ts'
import { areSameDevices, wrongDevicesOf } from './device-words.ts'
import { darkOutletsOf, fenceReadiness } from './fence-readiness.ts'
import { type Impasse, impasseOf } from './impasse.ts'
import { type HostPhase, livenessLimits, phaseOf } from './liveness.ts'
import { notification } from './notification.ts'
import { lateReboot, wordsOfReboot } from './reboot-watch.ts'
import { shortLimit } from './self-fence.ts'
import { silenceOf } from './silence.ts'
import { type StorageSilence, storageSilenceOf } from './storage-shown.ts'
import { subjectOf } from './subject.ts'
import { type Hold, type Suspicion, suspicionOf } from './suspicion.ts'
import { leastLimitMs } from './timing.ts'
import type { View } from './view.ts'

/** How a host was seen last. */
export type HostSeen = {
  readonly phase: HostPhase
  /** Why its libvirt does not answer; undefined: it does, or nothing is known of it. */
  readonly libvirtSilence: string | undefined
  /** What keeps a suspect from being fenced; undefined: nothing, or it is no suspect. */
  readonly hold: Hold | undefined
  /** Which of its fence devices are silent; undefined: none, or nothing is known of them. */
  readonly silentDevices: string | undefined
  /** Outlets that are not on beside others that are; left out: none. */
  readonly darkOutlets?: string | undefined
  /** Why the limit of its self-fence is too short; undefined: it is not, or it has none. */
  readonly shortLimit: string | undefined
  /** Shared pools to which it does not write; left out: none, or nothing is known of them. */
  readonly silentPools?: string | undefined
  /** What it waits for that no time will end; left out: nothing. */
  readonly impasse?: Impasse['at'] | undefined
  /** Since when it should be back from a reboot; left out: it is not awaited, or not for long. */
  readonly lateReboot?: string | undefined
}

/** What is to be told, and how hosts are seen now. */
export type HostNews = {
  readonly seen: ReadonlyMap<string, HostSeen>
  /** Hosts that show otherwise than before. */
  readonly changed: readonly Host[]
  readonly commits: readonly Commit[]
}

type Words = {
  readonly reason: string
  readonly message: string
  readonly severity: 'notice' | 'warning' | 'alarm'
}

/** Compares how hosts are with how they were seen last. */
export function watchHosts(
  view: View,
  last: ReadonlyMap<string, HostSeen>,
  context: Context
): HostNews {
  // Made only when somebody is seen otherwise: at most moments nobody is.
  let seen: Map<string, HostSeen> | undefined
  const all = view.all('host')
  const changed: Host[] = []
  const commits: Commit[] = []
  const missing = missingOnce(view, context.now.monotonic)
  for (const host of all.values()) {
    const before = last.get(host.name)
    if (before && isAsJudged(view, host, { before, now: context.now.monotonic })) continue
    const heard = view.heard(host.name)
    const phase = phaseOf(host, heard, context.now.monotonic)
    const libvirtSilence = heard.report?.libvirtSilence
    const suspicion = suspicionOf(view, host, context.now.monotonic, missing)
    const held = suspicion.verdict === 'held' ? suspicion : undefined
    const stuck = impasseOf(view, host, { suspicion, now: context.now.monotonic })
    const dark = isDark(host)
    const silent = dark ? undefined : silentDevicesOf(view, host)
    const silentDevices = dark ? before?.silentDevices : silent?.names
    const wrong = dark ? undefined : wrongNews(view, host)
    const darkOutlets = dark ? before?.darkOutlets : darkOutletsOf(view, host)
    const short = shortLimit(view, host)
    const { storage } = heard.report ?? {}
    const dumb = storage?.length ? storageSilenceOf(storage) : undefined
    const now: HostSeen = {
      phase,
      libvirtSilence,
      hold: held?.hold,
      silentDevices,
      darkOutlets,
      shortLimit: short,
      silentPools: dumb?.pools,
      impasse: stuck?.at,
      lateReboot: lateReboot(host, context.now)
    }
    if (wrong) commits.push(commitOfWrong(view, host, wrong, context))
    if (before && isSeenAs(before, now)) {
      noteJudged(view, host, { before, now: context.now.monotonic })
      continue
    }
    seen ??= new Map(last)
    seen.set(host.name, now)
    const limitWords = wordsOfLimit(view, host, { short, before })
    if (limitWords) commits.push(commitOf(view, host, limitWords, context))
    if (!before) continue
    const phaseWords =
      before.phase === phase ? undefined : wordsOfPhase(view, host, before, context)
    const libvirtWords = wordsOfLibvirt(before.libvirtSilence, libvirtSilence)
    const heldWords = held && before.hold !== held.hold ? wordsOfHold(held) : undefined
    const fenceWords =
      before.silentDevices === silentDevices ? undefined : wordsOfDevices(silent, before)
    const darkWords =
      before.darkOutlets === darkOutlets ? undefined : wordsOfOutlets(host, darkOutlets)
    const poolWords =
      before.silentPools === dumb?.pools ? undefined : wordsOfPools(host, before.silentPools, dumb)
    const stuckWords = stuck && before.impasse !== stuck.at ? wordsOfImpasse(stuck) : undefined
    const rebootWords =
      now.lateReboot !== undefined && before.lateReboot === undefined
        ? wordsOfLateReboot(host, now.lateReboot, context)
        : undefined
    const told = [
      ...[phaseWords, libvirtWords, heldWords, stuckWords],
      ...[fenceWords, darkWords, poolWords, rebootWords]
    ]
    if (before.phase !== phase || told.some(Boolean)) changed.push(host)
    for (const words of told) {
      if (words) commits.push(commitOf(view, host, words, context))
    }
  }
  return { seen: withoutGone(seen ?? last, all.size, view), changed, commits }
}

/** What a host was judged by that was seen as before. */
type Judged = {
  readonly before: HostSeen
  readonly report: Report | undefined
  readonly fence: FenceState | undefined
  readonly sessionMs: Ms | undefined
}

/** Of hosts that are heard: a host is another value whenever anything is recorded of it. */
const judged = new WeakMap<Host, Judged>()

type Look = { readonly before: HostSeen; readonly now: Ms }

/** Whether a host was heard so shortly ago that nothing follows from when that was. */
function isHeardNow(view: View, { name }: Host, now: Ms): boolean {
  const { heardAt } = view.heard(name)
  if (heardAt === undefined) return false
  return now - heardAt < Math.min(livenessLimits.lateMs, view.patience.suspectMs)
}

/** Whether nothing is otherwise by which a host is judged: then it is seen as before. */
function isAsJudged(view: View, host: Host, { before, now }: Look): boolean {
  const known = judged.get(host)
  if (known?.before !== before || known.report !== view.heard(host.name).report) return false
  if (known.fence !== view.fence(host.name) || known.sessionMs !== view.sessionMs) return false
  return isHeardNow(view, host, now)
}

/** What becomes of a host that is fenced, or boots anew, goes by time, also while it is heard. */
function noteJudged(view: View, host: Host, { before, now }: Look): void {
  const { recovery, duty } = host.decided
  if (recovery || duty?.reboot || !isHeardNow(view, host, now)) return
  if (view.devices.isInDoubt(host.name)) return
  const { report } = view.heard(host.name)
  const { sessionMs } = view
  judged.set(host, { before, report, fence: view.fence(host.name), sessionMs })
}

const isSeenAs = (one: HostSeen, other: HostSeen): boolean =>
  one.phase === other.phase &&
  one.libvirtSilence === other.libvirtSilence &&
  one.hold === other.hold &&
  one.silentDevices === other.silentDevices &&
  one.darkOutlets === other.darkOutlets &&
  one.shortLimit === other.shortLimit &&
  one.silentPools === other.silentPools &&
  one.impasse === other.impasse &&
  one.lateReboot === other.lateReboot

/** Of hosts that are removed nothing is kept. */
function withoutGone(
  seen: ReadonlyMap<string, HostSeen>,
  count: number,
  view: View
): ReadonlyMap<string, HostSeen> {
  if (seen.size === count) return seen
  return new Map([...seen].filter(([name]) => view.named('host', name) !== undefined))
}

/** Undefined for what nobody needs to be told: a host that is late for a moment. */
function wordsOfPhase(
  view: View,
  host: Host,
  before: HostSeen,
  context: Context
): Words | undefined {
  const heard = view.heard(host.name)
  const phase = phaseOf(host, heard, context.now.monotonic)
  // What becomes of a host that is taken for dead is told by its recovery.
  if (host.decided.recovery && phase !== 'online') return undefined
  if (phase === 'late' || (phase === 'online' && before.phase === 'late')) return undefined
  const reason = `host-${phase}`
  if (phase === 'online') {
    const message =
      before.phase === 'unknown'
        ? 'heard for the first time by this controller'
        : `heard again, was ${before.phase}`
    return { reason, message, severity: 'notice' }
  }
  const silenceMs =
    heard.heardAt === undefined ? 0 : Math.round(context.now.monotonic - heard.heardAt)
  const peers = phase === 'silent' ? silenceOf(view, host, context.now.monotonic) : ''
  const message = `was ${before.phase}, its agent has not been heard for ${silenceMs} ms${peers}`
  // Whoever is out of service, or switched off for a test, may well be silent.
  const { duty, fenceTest } = host.decided
  const isMissed = phase === 'silent' && duty?.state !== 'maintenance' && !fenceTest
  const next = isMissed ? '; remuda ha status' : ''
  return { reason, message: `${message}${next}`, severity: isMissed ? 'alarm' : 'notice' }
}

type Held = Extract<Suspicion, { readonly verdict: 'held' }>

const wordsOfHold = ({ hold, because, next }: Held): Words => ({
  reason: `fence-held-${hold}`,
  message: `would be taken for dead, but is not fenced: ${because}; ${next}`,
  severity: 'alarm'
})

const wordsOfImpasse = ({ at, because, next }: Impasse): Words => ({
  reason: `fence-waits-${at}`,
  message: next === undefined ? because : `${because}; ${next}`,
  severity: 'alarm'
})

const wordsOfLateReboot = (host: Host, at: string, { now }: Context): Words => ({
  reason: 'host-not-back',
  message: wordsOfReboot(host, at, now),
  severity: 'alarm'
})

type Silent = { readonly names: string; readonly because: string }

/** While a host is fenced, or out of service, its devices may well be dark with it: no news. */
const isDark = ({ decided: { recovery, fenceTest, duty } }: Host): boolean =>
  recovery !== undefined || fenceTest !== undefined || duty?.state === 'maintenance'

function silentDevicesOf(view: View, host: Host): Silent | undefined {
  const devices = view.fence(host.name)?.devices
  if (!devices?.some(({ reachable }) => reachable === false)) return undefined
  const silent = devices.filter(({ reachable }) => reachable === false)
  const names = silent.map(({ name }) => name).join(', ')
  return { names, because: fenceReadiness(view, host).because }
}

function wordsOfDevices(silent: Silent | undefined, before: HostSeen): Words {
  if (silent) {
    const message = `if it died now, it could not be fenced as it should: ${silent.because}`
    return { reason: 'fence-device-silent', message, severity: 'alarm' }
  }
  const message = `its fence devices answer again: ${before.silentDevices}`
  return { reason: 'fence-device-answers', message, severity: 'notice' }
}

/** Its wrong devices, where they are others than those recorded. */
function wrongNews(view: View, host: Host): readonly WrongDevice[] | undefined {
  const wrong = wrongDevicesOf(view, host)
  return areSameDevices(wrong, host.decided.wrongDevices ?? []) ? undefined : wrong
}

function commitOfWrong(
  view: View,
  host: Host,
  wrong: readonly WrongDevice[],
  context: Context
): Commit {
  const { wrongDevices: known = [], ...rest } = host.decided
  const decided = wrong.length === 0 ? rest : { ...rest, wrongDevices: wrong }
  const after = { ...host, decided }
  const { changes, decisions } = commitOf(view, host, wordsOfWrong(view, host, known), context)
  return { changes: [{ op: 'put', resource: after }, ...changes], decisions }
}

function wordsOfWrong(view: View, host: Host, known: readonly WrongDevice[]): Words {
  const { because, next } = fenceReadiness(view, host)
  if (wrongDevicesOf(view, host).length > 0) {
    const message = `no proof of its fence device would count: ${because}; ${next}`
    return { reason: 'fence-device-wrong', message, severity: 'alarm' }
  }
  const names = known.map(({ name, power }) => `${name} ${power}`).join()
  const test = `to know whose they are: remuda host fence test ${host.name}`
  const message = `its fence devices read as they should again, were ${names}; ${test}`
  return { reason: 'fence-device-right', message, severity: 'notice' }
}

const wordsOfOutlets = ({ name }: Host, dark: string | undefined): Words =>
  dark === undefined
    ? { reason: 'outlets-on', message: 'all outlets that feed it are on again', severity: 'notice' }
    : {
        reason: 'outlet-dark',
        message:
          `a supply of it is dark, and is missed when the other fails: ${dark}; ` +
          `remuda power on ${name}`,
        severity: 'warning'
      }

/** One that was set when sessions were shorter is told by each controller that finds it, once. */
function wordsOfLimit(
  view: View,
  host: Host,
  { short, before }: { readonly short: string | undefined; readonly before: HostSeen | undefined }
): Words | undefined {
  if (short === before?.shortLimit || view.sessionMs === undefined) return undefined
  if (short === undefined) {
    const message = 'the limit of its self-fence is long enough for a change of the controller'
    return { reason: 'limit-long-enough', message, severity: 'notice' }
  }
  const least = formatMs(leastLimitMs(view.sessionMs)).replace(' ', '')
  const message =
    `${short}; each change of the controller may end what runs here; ` +
    `remuda host fence self ${host.name} --limit ${least}`
  return { reason: 'limit-too-short', message, severity: 'alarm' }
}

/** A host alone whose storage is gone is not fenced for that: it is heard, and can be told. */
const wordsOfPools = (
  { name }: Host,
  before: string | undefined,
  now: StorageSilence | undefined
): Words =>
  now
    ? {
        reason: 'storage-silent',
        message:
          `it is heard, and does not write to shared storage: ${now.because}; ` +
          `see to its line there, or empty it: remuda host drain ${name}`,
        severity: 'alarm'
      }
    : { reason: 'storage-writes', message: `writes to pool ${before} again`, severity: 'notice' }

function wordsOfLibvirt(before: string | undefined, now: string | undefined): Words | undefined {
  if ((before === undefined) === (now === undefined)) return undefined
  return now === undefined
    ? { reason: 'libvirt-answers', message: 'libvirt answers again', severity: 'notice' }
    : {
        reason: 'libvirt-silent',
        message:
          `libvirt does not answer; what runs goes on, nothing can be changed: ${now}; ` +
          'restart its libvirt there, which ends no guest',
        severity: 'warning'
      }
}

function commitOf(view: View, host: Host, words: Words, context: Context): Commit {
  const { reason, message, severity } = words
  const subject = subjectOf(host)
  const at = isoOf(context)
  const source = 'controller'
  const event = notification(view, { subject, reason, message, severity, source, at }, context)
  return {
    changes: [{ op: 'put', resource: event }],
    decisions: [{ at, by: source, verb: reason, because: message, subjects: [subject] }]
  }
}
