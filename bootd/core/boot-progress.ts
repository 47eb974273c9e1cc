/**
 * How far one machine has come with its last boot.
 *
 *     dhcp ─► script ─► kernel ─► initramfs ─► image ─► verified ─► system ─► agent ─► joined
 *               │                    any of them ──► failed            └──► rescue
 *               └─► waiting (asks again and again)
 *
 * A boot begins when the firmware gets an address, or with the script where it was not seen to. It
 * has failed when the machine says so, when it has not joined in time, or when the machine begins
 * anew although it had fetched its kernel: then it has crashed. Each boot fails at most once. What
 * counts is how many in a row did so with the same wish; with a joined boot that starts anew, but
 * not with one of the version before, or the next one would fail again.
 */
import type { Ms } from '#shared/units.ts'
import type { BootProfile, BootStage, BootState } from '#shared/wire/boot.ts'
import { type Awaited, type BootChoice, comingMsMax } from './boot-choice.ts'
import type { Asker } from './boot-plan.ts'
import type { Addressed } from './dnsmasq-log.ts'

/** A moment on both clocks. */
export type Moment = { readonly wall: Ms; readonly monotonic: Ms }

/** One boot of one machine: the last one. */
export type MachineBoot = {
  readonly boot: string
  readonly uuid?: string
  readonly serial?: string
  readonly macs: readonly string[]
  readonly name?: string
  readonly address?: string
  readonly firmware?: string
  readonly architecture?: string
  readonly profile: BootProfile
  readonly version?: string
  readonly isFallback: boolean
  readonly wish?: string
  readonly stage: BootStage
  readonly percent?: number
  /** Why it failed or waits, or what is odd. */
  readonly because?: string
  /** The version that it has been waiting for in this boot, also where it got the one before. */
  readonly awaits?: Awaited
  /** What its host waits for in stage agent, where only an operator can let it in. */
  readonly unapproved?: string
  readonly stages: readonly { readonly stage: BootStage; readonly wall: Ms }[]
  readonly failures: number
  /** Lets the machine fetch and join; it is good until `until`, unless it has joined. */
  readonly token?: string
  /** On the monotonic clock. */
  readonly until?: Ms
  readonly stageAt: Moment
  /** Whether this boot has been counted as failed. */
  readonly hasFailed: boolean
  /** TCP port at which it serves its image to others; it does so until it boots anew. */
  readonly serves?: number
  /** Who has shown its token last from where this machine is not; kept over later boots. */
  readonly stolen?: NonNullable<BootState['stolen']>
}

const stagesMax = 24
const macsMax = 32

/** The stages in their order; a boot only goes forward. */
const order: readonly BootStage[] = [
  ...(['dhcp', 'waiting', 'script', 'kernel', 'initramfs', 'image', 'verified'] as const),
  ...(['system', 'agent', 'rescue', 'joined', 'failed'] as const)
]

const rank = (stage: BootStage): number => order.indexOf(stage)

const early: ReadonlySet<BootStage> = new Set(['dhcp', 'waiting', 'script', 'failed'])

/** Whether it has fetched more than its script. */
export const hasLeftScript = ({ stages }: MachineBoot): boolean =>
  stages.some(({ stage }) => !early.has(stage))

/** Whether it has joined. */
export const hasJoined = ({ stages }: MachineBoot): boolean =>
  stages.some(({ stage }) => stage === 'joined')

/** The firmware of a machine has got an address. */
export function addressed(
  before: MachineBoot | undefined,
  seen: Addressed,
  given: { readonly boot: string; readonly at: Moment }
): MachineBoot {
  const { boot, at } = given
  const { mac, address, firmware, architecture, isIpxe } = seen
  const said = {
    address,
    // iPXE that was loaded by the firmware asks as another kind of it.
    ...(firmware !== undefined && !(isIpxe && before?.firmware) && { firmware }),
    ...(architecture !== undefined && { architecture })
  }
  if (before?.stage === 'dhcp' || (before?.stage === 'waiting' && isIpxe)) {
    return { ...before, ...said, macs: withMac(before.macs, mac) }
  }
  return {
    ...identity(before),
    ...said,
    ...{ boot, macs: withMac(before?.macs ?? [], mac), profile: before?.profile ?? 'nothing' },
    ...{ isFallback: false, failures: failuresAfter(before), hasFailed: false },
    ...begun('dhcp', at)
  }
}

/** How a machine asks what to boot. */
export type Asking = {
  /** It is its first stage that asks, which may do so again, and has its kernel already. */
  readonly isRunning?: boolean
  /** Its boot loader says that it has asked before, and that something of it did not come. */
  readonly isAgain?: boolean
}

/** Whether it asks in the same boot, and has neither crashed nor been switched on anew. */
const isSameBoot = (before: MachineBoot, { isRunning, isAgain }: Asking): boolean =>
  goesOn(before) || (before.stage === 'kernel' && (isRunning === true || isAgain === true))

/**
 * What is known of a machine when it asks: its last boot, with one failure more where that has just
 * been found to have crashed. A new boot waits anew.
 */
export function pastOf(before: MachineBoot | undefined, asking: Asking): MachineBoot | undefined {
  if (before === undefined || isSameBoot(before, asking)) return before
  const { awaits: _, ...rest } = before
  return { ...rest, failures: failuresAfter(before) }
}

const retried = 'it asks again: its kernel or its initial file system did not come'

const saidOf = (choice: BootChoice): string | undefined =>
  'because' in choice ? choice.because : undefined

/** A machine has asked what to boot, and was told. */
export function told(
  before: MachineBoot | undefined,
  asked: {
    readonly asker: Asker
    readonly address: string
    readonly choice: BootChoice
    readonly boot: string
    readonly token: string
    readonly joinWithinMs: Ms
  } & Asking,
  at: Moment
): MachineBoot {
  const { asker, address, choice, joinWithinMs, isAgain = false } = asked
  const { uuid, serial, mac, architecture } = asker
  const isSame = before !== undefined && isSameBoot(before, asked)
  const stage = choice.gives === 'nothing' ? 'waiting' : 'script'
  const past = pastOf(before, asked)
  const counted = past?.failures ?? 0
  const awaits = awaitsAfter(past, choice, at)
  const stays = isSame && staysIn(before, { stage, choice })
  const because =
    saidOf(choice) ?? (stays && isAgain && before.stage === 'kernel' ? retried : undefined)
  const failures = before?.wish === choice.wish ? counted : 0
  const firmware = before?.firmware ?? firmwareOf(asker)
  const stages = isSame ? before.stages : []
  // Who asks again and again does not get more time by that.
  const until = (isSame ? before.until : undefined) ?? at.monotonic + joinWithinMs
  return {
    boot: isSame ? before.boot : asked.boot,
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
    macs: mac === undefined ? (before?.macs ?? []) : withMac(before?.macs ?? [], mac),
    ...(choice.name !== undefined && { name: choice.name }),
    ...{ address, profile: choice.profile, wish: choice.wish, failures, hasFailed: false },
    ...(firmware !== undefined && { firmware }),
    ...(architecture !== undefined && { architecture }),
    ...(choice.gives === 'image'
      ? { version: choice.version, isFallback: choice.isFallback }
      : { isFallback: false }),
    ...(because !== undefined && { because }),
    ...(awaits && { awaits }),
    ...(before?.stolen && { stolen: before.stolen }),
    ...(choice.gives === 'image' && { token: asked.token, until }),
    ...(stays
      ? { stage: before.stage, stages, stageAt: before.stageAt }
      : { stage, stages: withStage(stages, stage, at), stageAt: at })
  }
}

function awaitsAfter(
  past: MachineBoot | undefined,
  choice: BootChoice,
  { monotonic: since }: Moment
): Awaited | undefined {
  const version = choice.gives === 'nothing' ? choice.awaits : undefined
  if (version === undefined || version === past?.awaits?.version) return past?.awaits
  return { version, since }
}

/** Whether a machine that waits has just had enough of it, between two looks. */
export const hasWaited = (
  { stage, awaits }: MachineBoot,
  { after, now }: { readonly after: Ms; readonly now: Ms }
): boolean =>
  stage === 'waiting' &&
  awaits !== undefined &&
  awaits.since + comingMsMax > after &&
  awaits.since + comingMsMax <= now

/** Whether it is told the same again; who has its kernel, and has lost it, does not go back. */
const staysIn = (
  before: MachineBoot,
  { stage, choice }: { readonly stage: BootStage; readonly choice: BootChoice }
): boolean => before.stage === stage || (before.stage === 'kernel' && choice.gives === 'image')

/** What a machine tells of itself while it boots. */
export type Progress = {
  readonly stage: BootStage
  readonly percent?: number
  readonly because?: string
  /** It serves its image to others, at this TCP port. */
  readonly serves?: number
  /** Address of another host that has sent it something else than the image. */
  readonly badPeer?: string
}

/** It has come further, or says that it cannot; what lies behind it changes nothing. */
export function progressed(before: MachineBoot, progress: Progress, at: Moment): MachineBoot {
  const { stage, percent, because, serves } = progress
  if (before.stage === 'joined') {
    return serves === undefined || serves === before.serves ? before : { ...before, serves }
  }
  // One that joins late has joined all the same.
  if (stage !== 'joined' && rank(stage) < rank(before.stage)) return before
  if (stage === 'failed') {
    return failed(before, because ?? 'it does not say why', at)
  }
  if (stage === before.stage) {
    const more = percent !== undefined && percent > (before.percent ?? -1)
    const news = because !== undefined && because !== before.because
    if (!more && !news) return before
    return { ...before, ...(more && { percent }), ...(news && { because }) }
  }
  const { percent: _, unapproved: __, because: earlier, awaits, ...rest } = before
  const said = because ?? (before.isFallback ? earlier : undefined)
  const next = {
    ...rest,
    ...{ stage, stages: withStage(before.stages, stage, at), stageAt: at },
    ...(percent !== undefined && { percent }),
    ...(said !== undefined && { because: said }),
    ...(awaits && rank(stage) <= rank('kernel') && { awaits }),
    ...(stage === 'joined' && serves !== undefined && { serves })
  }
  if (stage === 'joined' && !before.isFallback) return { ...next, failures: 0 }
  return next
}

/** Whether a boot should have come to its end by now. */
export const isLate = ({ stage, until, hasFailed, unapproved }: MachineBoot, now: Ms): boolean =>
  until !== undefined &&
  now > until &&
  !hasFailed &&
  unapproved === undefined &&
  stage !== 'joined' &&
  stage !== 'rescue'

/** It did not join in time. */
export const ranOut = (before: MachineBoot, withinS: number, at: Moment): MachineBoot =>
  failed(before, `it did not join within ${withinS} s and came no further than ${before.stage}`, at)

/** Thefts of one token are told apart only so far: who tries all day is told of now and then. */
const theftApartMs: Ms = 10_000

/** Its token was shown from where it is not, and refused; that is kept for people to see. */
export function shownElsewhere(
  before: MachineBoot,
  seen: { readonly from: string; readonly mac?: string | undefined },
  at: Moment
): MachineBoot {
  const { from, mac } = seen
  const told = before.stolen
  if (told && Math.abs(at.wall - Date.parse(told.at)) < theftApartMs) return before
  const whose = mac ?? 'no MAC is known'
  const because = `its boot token was shown from ${from} (${whose}), and refused`
  const stolen = {
    from,
    ...(mac !== undefined && { mac }),
    ...(before.address !== undefined && { own: before.address }),
    at: new Date(at.wall).toISOString()
  }
  return { ...before, because, stolen }
}

/** Whether its token lets it fetch and join now. */
export const isOpen = ({ token, until, stage }: MachineBoot, now: Ms): boolean =>
  token !== undefined && until !== undefined && now <= until && stage !== 'joined'

const becauseMax = 512

/** After so long in a stage something is wrong; how the reason begins. Unit: s. */
const stuckAfter: Partial<Readonly<Record<BootStage, readonly [number, string]>>> = {
  dhcp: [60, 'it got an address and has not asked what to boot'],
  script: [60, 'it was told what to boot and has not fetched its kernel'],
  kernel: [90, 'it fetched its kernel and nothing was heard of it since'],
  initramfs: [60, 'its first stage runs and has not begun to fetch the image'],
  image: [180, 'it has been fetching the image'],
  verified: [120, 'it has the image and its system has not started'],
  system: [120, 'its system runs and its agent has not asked how to join'],
  agent: [120, 'its agent asked how to join and has not joined']
}

/** Why a machine does not get on in its stage; undefined: it does, or need not. */
export function stuckBecause(boot: MachineBoot, now: Ms): string | undefined {
  const [afterS, says] = stuckAfter[boot.stage] ?? []
  const forS = Math.floor((now - boot.stageAt.monotonic) / 1_000)
  if (afterS === undefined || forS < afterS || boot.profile === 'disk') return undefined
  const far = boot.stage === 'image' ? ` and has ${boot.percent ?? 0} % of it` : ''
  return `stuck in stage ${boot.stage} for ${forS - (forS % 10)} s: ${says}${far}`
}

/** The boot as it is reported. */
export function spoken(boot: MachineBoot, now: Ms): BootState {
  const { token: _, until: __, stageAt: ___, hasFailed: ____, awaits: _____, ...said } = boot
  const { stages, because, unapproved, ...rest } = said
  const reasons = [because, unapproved].filter(reason => reason !== undefined)
  const why = reasons.length > 0 ? reasons.join('; ') : stuckBecause(boot, now)
  return {
    ...rest,
    ...(unapproved !== undefined && { isUnapproved: true }),
    stages: stages.map(({ stage, wall }) => ({ stage, at: new Date(wall).toISOString() })),
    ...(why !== undefined && { because: why.slice(0, becauseMax) })
  }
}

/** Whether it has not got further than to ask, and may ask again. */
export const goesOn = ({ stage }: MachineBoot): boolean =>
  stage === 'dhcp' || stage === 'waiting' || stage === 'script'

/**
 * Failures so far when a machine begins anew: one more if it had come as far as its kernel. They
 * are those of the wished version: that the one before fails says nothing of it.
 */
function failuresAfter(before: MachineBoot | undefined): number {
  if (before === undefined) return 0
  const { failures, stage, profile } = before
  const isOver = stage === 'joined' || stage === 'failed' || profile !== 'host'
  return isOver || !counts(before) || rank(stage) < rank('kernel') ? failures : failures + 1
}

const counts = ({ hasFailed, isFallback, unapproved }: MachineBoot): boolean =>
  !hasFailed && !isFallback && unapproved === undefined

function failed(before: MachineBoot, because: string, at: Moment): MachineBoot {
  const { percent: _, unapproved: __, awaits: ___, ...rest } = before
  return {
    ...rest,
    ...{ stage: 'failed', stages: withStage(before.stages, 'failed', at), stageAt: at },
    because: because.slice(0, becauseMax),
    failures: counts(before) ? before.failures + 1 : before.failures,
    hasFailed: true
  }
}

const identity = (before: MachineBoot | undefined) => {
  if (before === undefined) return {}
  const { uuid, serial, name, wish, stolen } = before
  return {
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
    ...(name !== undefined && { name }),
    ...(wish !== undefined && { wish }),
    ...(stolen && { stolen })
  }
}

const begun = (stage: BootStage, at: Moment) => ({
  ...{ stage, stages: withStage([], stage, at), stageAt: at }
})

/** The stages with one more; the first ones stay. */
export const withStage = (
  stages: MachineBoot['stages'],
  stage: BootStage,
  { wall }: Moment
): MachineBoot['stages'] => [...stages.slice(0, stagesMax - 1), { stage, wall }]

/** The one that was seen last stands last. */
const withMac = (macs: readonly string[], mac: string): readonly string[] =>
  macs.at(-1) === mac ? macs : [...macs.filter(one => one !== mac), mac].slice(-macsMax)

const firmwareOf = ({ platform }: Asker): string | undefined =>
  platform === 'efi' ? 'uefi' : platform === 'pcbios' ? 'bios' : undefined
