/**
 * What is told of machines that boot: one that has failed, is stuck in a stage, or whose boot token
 * another machine has shown is an alarm; one that has joined leaves its time line in the history of
 * its host. A boot is told of once: by the time of what was told last, which every controller finds
 * in the journal. Machines that are no hosts, and boot services, share a subject: what was told of
 * one of them says nothing of another, so each has a time of its own.
 */
import type { Host } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { type BootStage, bootFailuresMax } from '#shared/wire/boot.ts'
import { type Context, decision, isoOf } from '../admission/context.ts'
import type { Change, Commit } from '../commit.ts'
import { eventsMax, notification, notificationName } from '../notification.ts'
import { subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { type BootSeen, keyOfMachine } from './boots.ts'
import { onceWish } from './plan.ts'

/** What is told of machines that are no hosts, and of the boot service itself. */
export const bootSubject = 'cluster/boot'

/** A machine that stays longer in a stage is stuck there. Unit: ms. */
const stuckMs: Readonly<Partial<Record<BootStage, Ms>>> = {
  dhcp: 120_000,
  script: 120_000,
  kernel: 180_000,
  initramfs: 120_000,
  image: 300_000,
  verified: 120_000,
  system: 300_000,
  agent: 300_000,
  waiting: 600_000
}

/** So many machines that are no hosts are told of one by one at a time; of others the newest is. */
const strangersMax = 256

type Told = {
  readonly subject: string
  /** Which of those that share the subject: a machine, or a boot service. */
  readonly of?: string | undefined
  readonly verb: string
  readonly message: string
  readonly severity: 'notice' | 'warning' | 'alarm'
  /** When that came about, RFC 3339. */
  readonly since: string
  /** One that came about so soon after the last that was told of is not told of. */
  readonly apartMs?: Ms
}

/** Whoever shows a token all day is told of six times an hour. */
const theftApartMs: Ms = 600_000

/** Decides what is to be told, and what a boot that was wished for once has used up. */
export function* bootNews(view: View, context: Context): Iterable<Commit> {
  if (view.boots.bootds.size === 0) return
  let strangers = 0
  for (const boot of view.boots.recent) {
    const host = hostOf(view, boot)
    if (host === undefined) strangers += 1
    const of = host || strangers > strangersMax ? undefined : keyOfMachine(boot)
    const once = host?.decided.bootOnce
    if (host && once && isUsedUp(once, boot)) yield usedUp(host, context)
    for (const told of newsOf(boot, host, context)) {
      const news = { ...told, of }
      if (!isTold(view, news, context)) yield tell(view, news, context)
    }
  }
  for (const told of serviceNews(view)) {
    if (!isTold(view, told, context)) yield tell(view, told, context)
  }
}

function hostOf(view: View, { uuid }: BootSeen): Host | undefined {
  if (uuid === undefined) return undefined
  const [id] = view.indexes.of('host-uuid', uuid)
  return id === undefined ? undefined : view.get('host', id)
}

/** What fetches a kernel may yet fail, and ask again; a boot from disk ends with its script. */
const beforeBoot: ReadonlySet<BootStage> = new Set(['dhcp', 'waiting', 'script', 'kernel'])

function isUsedUp(once: NonNullable<Host['decided']['bootOnce']>, boot: BootSeen): boolean {
  if (boot.wish !== onceWish(once)) return false
  return once.profile === 'disk' || boot.stages.some(({ stage }) => !beforeBoot.has(stage))
}

/** How a machine is called in sentences: by what an operator can find it with. */
export const nameOfMachine = ({ name, uuid, serial, macs, address }: BootSeen): string =>
  name ?? [serial && `serial ${serial}`, macs[0] ?? uuid, address].filter(Boolean).join(', ')

function* newsOf(boot: BootSeen, host: Host | undefined, context: Context): Iterable<Told> {
  const { stage, stages, because, version, failures, isFallback, isUnapproved, stolen } = boot
  const since = stages.at(-1)?.at ?? isoOf(context)
  const subject = host ? subjectOf(host) : bootSubject
  const who = host ? '' : `${nameOfMachine(boot)}: `
  const image = version === undefined ? '' : ` of image ${version}`
  // An older one was told of by whoever led then; its event may be gone meanwhile.
  if (stolen && context.now.wall - Date.parse(stolen.at) <= theftApartMs) {
    const { from, mac, own, at } = stolen
    const message =
      `${who}its boot token was shown from ${from} (${mac ?? 'no MAC is known'}) and refused, ` +
      `while it was given to ${own ?? 'no address'}: somebody reads on the boot network`
    const words = { message, severity: 'alarm', since: at, apartMs: theftApartMs } as const
    yield { subject, verb: 'boot-token-stolen', ...words }
  }
  if (isFallback) {
    const why = because ?? `it did not join with the wished one, ${bootFailuresMax} times in a row`
    // A roll would promote what it ends with; this is about the one host.
    const next = host
      ? `; once that is mended: remuda host boot-once ${host.name} host, and ` +
        `remuda host roll ${host.name} --reboot`
      : ''
    const message = `${who}gets image ${version} instead of the wished one: ${why}${next}`
    yield { subject, verb: 'boot-fallback', message, severity: 'alarm', since: stages[0]!.at }
  }
  if (stage === 'failed') {
    const count = failures > 0 ? ` (failure ${failures} in a row)` : ''
    const message = `${who}boot${image} failed: ${because ?? 'it does not say why'}${count}`
    yield { subject, verb: 'boot-failed', message, severity: 'alarm', since }
  }
  if (stage === 'joined') {
    const message = `${who}boot${image} has joined: ${timeLine(boot)}`
    yield { subject, verb: 'booted', message, severity: 'notice', since }
  }
  const limitMs = stuckMs[stage]
  const staysMs = context.now.wall - Date.parse(since)
  // What is to get nothing waits as it should, and what nobody knows.
  const isWished = boot.name === undefined || host?.spec.boot === 'nothing'
  const isMeant = isUnapproved || (stage === 'waiting' && isWished)
  if (limitMs === undefined || isMeant || staysMs < limitMs) return
  const why = because === undefined ? '' : `: ${because}`
  const message = `${who}boot${image} is in stage ${stage} for ${formatMs(staysMs)}${why}`
  yield { subject, verb: 'boot-stuck', message, severity: 'alarm', since }
}

/** When each stage began, from the first on. */
export function timeLine({ stages }: Pick<BootSeen, 'stages'>): string {
  const begun = Date.parse(stages[0]?.at ?? '')
  return stages
    .map(({ stage, at }) => `${stage} ${((Date.parse(at) - begun) / 1_000).toFixed(1)} s`)
    .join(', ')
}

function* serviceNews({ boots }: View): Iterable<Told> {
  for (const [bootd, { report, at }] of boots.bootds) {
    for (const { address, mac, since } of report.foreign) {
      const whose = mac === undefined ? '' : ` (${mac})`
      const message =
        `another DHCP server answers on the boot network of ${bootd}: ${address}${whose}; ` +
        'machines may boot what it says'
      const of = `${bootd} ${address}`
      yield { subject: bootSubject, of, verb: 'foreign-dhcp', message, severity: 'alarm', since }
    }
    if (report.problem === undefined) continue
    const message = `bootd of ${bootd} cannot serve boots: ${report.problem}`
    const since = report.problemSince ?? new Date(at.wall).toISOString()
    const words = { message, severity: 'alarm', since } as const
    yield { subject: bootSubject, of: bootd, verb: 'boot-service', ...words }
  }
}

/**
 * By what was told last of the same for the same reason. That time is of the clock of a bootd, and
 * may lie ahead where that clock was wrong: then it is known only as that very moment, and silences
 * nothing else but what is to be told only now and then. What is older than all that is kept was
 * told, and would be let go again at once.
 */
function isTold(view: View, told: Told, context: Context): boolean {
  const { subject, of, verb, since, apartMs = 0 } = told
  const event = view.named('event', notificationName({ subject, of, reason: verb }))
  if (event === undefined) return isForgotten(view, since)
  const { lastAt } = event.decided
  const laterMs = Date.parse(since) - Date.parse(lastAt)
  const isShared = subject === bootSubject && of === undefined
  const isAhead = Date.parse(lastAt) > context.now.wall && !isShared
  return isAhead ? Math.abs(laterMs) <= apartMs : laterMs <= apartMs
}

function isForgotten(view: View, since: string): boolean {
  const events = view.all('event')
  if (events.size < eventsMax) return false
  return ![...events.values()].some(({ decided }) => decided.lastAt < since)
}

function tell(view: View, told: Told, context: Context): Commit {
  const { subject, of, verb, message, severity, since } = told
  // By the clock of bootd: what it says next has a later time by that one.
  const seen = { subject, of, reason: verb, message, severity, at: since }
  const event = notification(view, { ...seen, source: 'bootd' }, context)
  return {
    changes: [{ op: 'put', resource: event }],
    decisions: [decision(context, verb, message, subject)]
  }
}

function usedUp(host: Host, context: Context): Commit {
  const { bootOnce, ...decided } = host.decided
  const changes: Change[] = [{ op: 'put', resource: { ...host, decided } }]
  const what = bootOnce?.profile === 'host' ? 'its version anew' : bootOnce?.profile
  const because = `booted ${what} once, as wished by ${bootOnce?.by}`
  return { changes, decisions: [decision(context, 'booted-once', because, subjectOf(host))] }
}
