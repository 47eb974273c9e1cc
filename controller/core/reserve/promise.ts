/**
 * The promise: whatever the reserve speaks of may be lost, and everything that is highly available
 * and can go elsewhere finds a place. A wish breaks it when some loss would strand an instance that
 * the same loss does not strand without the wish. So what is refused is never too little room that
 * was there before, such as under a reserve that was raised later, or after a loss. Who waits in
 * vain as it is, is no matter of a loss: also where one would help it, since others that it must be
 * with are gone then.
 */
import { formatMib, type Mib } from '#shared/units.ts'
import type { Change } from '../commit.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { Moment, View } from '../view.ts'
import { isSure } from './bound.ts'
import { doubtsMax, doubtsOf, eachDoubt } from './cases.ts'
import type { Evacuee } from './evacuee.ts'
import type { Ground } from './ground.ts'
import { leavingChanges } from './leaving.ts'
import { planOf } from './plan.ts'
import { type Reserve, reserveName, reserveOf } from './settings.ts'
import { surveyed } from './survey.ts'
import { type Trial, trialOf } from './trial.ts'

/** A loss that not everything would survive. */
export type Stranding = {
  /** Names of the hosts that are lost; none: it is so already. */
  readonly lost: readonly string[]
  readonly stranded: readonly {
    readonly id: string
    readonly name: string
    readonly memoryMib: Mib
    readonly vcpus: number
  }[]
  /** Room that the survivors have after all, and the most that one of them has. */
  readonly leftMib: Mib
  readonly leftMostMib: Mib
  readonly leftMostVcpus: number
}

/** What speaks against a wish: a loss, or that there are too many to look at. */
export type Harm = {
  readonly reserve: Reserve
  readonly stranding: Stranding | undefined
  /** Losses that were planned to find it. */
  readonly plans: number
}

/**
 * Which loss some changes would make worse, as things are or once the hosts are empty that are
 * being emptied; undefined: none, or there is no reserve.
 */
export function harmOf(view: View, changes: readonly Change[], now: Moment): Harm | undefined {
  return harmNow(view, changes, now) ?? harmLater(view, changes, now)
}

/** The same, as things are. */
export function harmNow(view: View, changes: readonly Change[], now: Moment): Harm | undefined {
  const reserve = reserveOf(view)
  if (!reserve) return undefined
  const ground = surveyed(view, now)
  const trial = trialOf(view, { ground, changes }, now)
  return harmIn(ground, { reserve, changes, trial, without: nothing })
}

const nothing: Trial = { begin: () => {}, end: () => {} }

/** The same, once all have left who are to leave hosts: with the changes or without them. */
function harmLater(view: View, changes: readonly Change[], now: Moment): Harm | undefined {
  const reserve = reserveOf(view)
  if (!reserve || (view.indexes.onDuty.size === 0 && !changes.some(isOfHost))) return undefined
  const ground = surveyed(view, now)
  const wish = trialOf(view, { ground, changes }, now)
  const before = leavingChanges(view, ground, [])
  wish.begin()
  let after: readonly Change[]
  try {
    after = leavingChanges(view, ground, changes)
  } finally {
    wish.end()
  }
  if (before.length + after.length === 0) return undefined
  const without = trialOf(view, { ground, changes: before }, now)
  const all = withLeaving(changes, after)
  const trial = trialOf(view, { ground, changes: all }, now)
  return harmIn(ground, { reserve, changes, trial, without })
}

/** What is wished comes last, as it is what the trial is about. */
function withLeaving(changes: readonly Change[], leaving: readonly Change[]): readonly Change[] {
  const idOf = (change: Change) => (change.op === 'put' ? change.resource.id : '')
  const gone = new Map(leaving.map(change => [idOf(change), change]))
  const known = new Set(changes.map(idOf))
  const others = leaving.filter(change => !known.has(idOf(change)))
  return [...others, ...changes.map(change => gone.get(idOf(change)) ?? change)]
}

/** Which loss is worse on one trial than on another one. */
function harmIn(
  ground: Ground,
  judged: {
    readonly reserve: Reserve
    readonly changes: readonly Change[]
    readonly trial: Trial
    readonly without: Trial
  }
): Harm | undefined {
  const { reserve, changes, trial, without } = judged
  // A host that changes may give room as well as take it.
  if (changes.some(isOfHost)) ground.countAll()
  else ground.countHopeful()
  let stranding: Stranding | undefined
  let plans = 0
  trial.begin()
  try {
    const looked = eachDoubt(ground, reserve, lost => {
      plans += 1
      const { stranded } = planOf(ground, lost, { first: true })
      if (stranded.length === 0) return false
      stranding = worsened(ground, lost, { trial, without })
      return stranding !== undefined
    })
    if (looked === 'all') return undefined
  } finally {
    trial.end()
  }
  return { reserve, stranding, plans }
}

/** Whom some changes would strand, as things are or in this very loss, who finds a place else. */
export function strandedBy(
  view: View,
  given: { readonly lost: readonly string[]; readonly changes: readonly Change[] },
  now: Moment
): readonly string[] {
  const ground = surveyed(view, now)
  const lost = given.lost.flatMap(name => ground.numberOf(name) ?? [])
  const waits = ground.waiting.length > 1
  const trial = trialOf(view, { ground, changes: given.changes }, now)
  ground.countHopeful()
  trial.begin()
  try {
    for (const each of waits && lost.length > 0 ? [[], lost] : [lost]) {
      if (!waits && isSure(ground, each, undefined)) continue
      if (planOf(ground, each, { first: true }).stranded.length === 0) continue
      const found = worsened(ground, each, { trial, without: nothing })
      if (found) return found.stranded.map(({ name }) => name)
    }
    return []
  } finally {
    trial.end()
  }
}

const isOfHost = (change: Change): boolean =>
  (change.op === 'put' && change.resource.kind === 'host') ||
  (change.op === 'remove' && change.kind === 'host')

/** Whom a loss strands only on trial, and who does not wait as it is; undefined: nobody. */
function worsened(
  ground: Ground,
  lost: readonly number[],
  { trial, without }: { readonly trial: Trial; readonly without: Trial }
): Stranding | undefined {
  const after = strandingOf(ground, lost)
  trial.end()
  without.begin()
  const plans = [planOf(ground, lost), planOf(ground, [])]
  const before = new Set(plans.flatMap(({ stranded }) => stranded.map(({ id }) => id)))
  without.end()
  trial.begin()
  const stranded = after?.stranded.filter(({ id }) => !before.has(id)) ?? []
  return after && stranded.length > 0 ? { ...after, stranded } : undefined
}

/** What a loss would strand; undefined: nothing. */
function strandingOf(ground: Ground, lost: readonly number[]): Stranding | undefined {
  const { stranded, taken } = planOf(ground, lost)
  if (stranded.length === 0) return undefined
  const left = new Map(taken.map(one => [one.host, one]))
  let [leftMib, leftMostMib, leftMostVcpus] = [0, 0, 0]
  for (const [host] of ground.rows.entries()) {
    if (ground.meets[host] === 0 || lost.includes(host)) continue
    const free = Math.max(0, left.get(host)?.freeMib ?? ground.freeMib[host]!)
    leftMib += free
    leftMostMib = Math.max(leftMostMib, free)
    const vcpus = left.get(host)?.freeVcpus ?? ground.freeVcpus[host]!
    leftMostVcpus = Math.max(leftMostVcpus, Math.floor(vcpus))
  }
  const names = lost.map(host => ground.name(host))
  return { lost: names, stranded: stranded.map(shown), leftMib, leftMostMib, leftMostVcpus }
}

const shown = ({ id, name, memoryMib, vcpus }: Evacuee) => ({ id, name, memoryMib, vcpus })

/** How the promise stands: kept, or the first losses that it is not kept for. */
export type Promised = {
  readonly reserve: Reserve | undefined
  readonly state: 'none' | 'kept' | 'broken' | 'too-many-cases'
  readonly strandings: readonly Stranding[]
}

/**
 * Looks how it stands, at one loss that no bound settles after the other; so many are told at most.
 * `ground`: one that is only thought of; left out: the cloud as it is.
 */
export function promiseOf(
  view: View,
  now: Moment,
  {
    most = 10,
    ground = surveyed(view, now)
  }: { readonly most?: number; readonly ground?: Ground } = {}
): Promised {
  const steps = promiseSteps(ground, reserveOf(view), most)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** The same on a ground of one's own; it yields after each of these losses. */
export function* promiseSteps(
  ground: Ground,
  reserve: Reserve | undefined,
  most = 10
): Generator<undefined, Promised> {
  if (!reserve) return { reserve, state: 'none', strandings: [] }
  ground.countAll()
  const waiting = new Set(planOf(ground, []).stranded.map(({ id }) => id))
  const strandings: Stranding[] = []
  const doubts = doubtsOf(ground, reserve)
  let step = doubts.next()
  while (!step.done) {
    const stranding = strandingOf(ground, step.value)
    const stranded = stranding?.stranded.filter(({ id }) => !waiting.has(id)) ?? []
    if (stranding && stranded.length > 0) strandings.push({ ...stranding, stranded })
    if (strandings.length >= most) break
    yield
    step = doubts.next()
  }
  if (strandings.length > 0) return { reserve, state: 'broken', strandings }
  return { reserve, state: step.value === 'all' ? 'kept' : 'too-many-cases', strandings }
}

/** The sentence that says what a loss strands and what room there would be. */
export function strandingSentence(stranding: Stranding): string {
  const { lost, stranded, leftMib, leftMostMib, leftMostVcpus } = stranding
  const when =
    lost.length === 0 ? 'as it is' : `if ${listed(lost)} ${lost.length === 1 ? 'is' : 'are'} lost`
  const names = stranded.map(({ name, memoryMib }) => `${name} (${memoryMib} MiB)`)
  const neededMib = stranded.reduce((sum, { memoryMib }) => sum + memoryMib, 0)
  const needs = stranded.length === 1 ? '' : `, ${neededMib} MiB in all,`
  const short = shortOfVcpus(stranding)
  const left = short
    ? `${short.name} needs ${short.vcpus} vcpus, at most ${leftMostVcpus} are left on one host`
    : `${leftMib} MiB are left, at most ${leftMostMib} MiB on one host`
  return `${when}, ${listed(names)}${needs} could start nowhere: ${left}`
}

/** Who finds no place for its processors, where memory is not what is short. */
const shortOfVcpus = ({ stranded, leftMostMib, leftMostVcpus }: Stranding) =>
  stranded.every(one => one.memoryMib <= leftMostMib)
    ? stranded.find(({ vcpus }) => vcpus > leftMostVcpus)
    : undefined

/** What a wish would break, in a sentence. */
export function harmSentence({ reserve, stranding }: Harm): string {
  if (stranding) return strandingSentence(stranding)
  return `more than ${doubtsMax} losses of ${reserveName(reserve)} are too near to be told apart`
}

/** What can be done where the reserve has no room. */
export const nextOfHarm = (harm: Harm): readonly string[] => {
  const [one] = harm.stranding?.stranded ?? []
  const short = harm.stranding && shortOfVcpus(harm.stranding)
  const less = short
    ? `fewer than ${short.vcpus} vcpus`
    : one && `less than ${formatMib(one.memoryMib)}`
  return [
    'remuda capacity',
    ...(less ? [`ask for ${less}, or stop an instance`] : []),
    'add a host, or open one that is closed',
    'instances that may stay down can be created with highlyAvailable: false',
    'to do without the room for a while: remuda ha set --reserve-hosts'
  ]
}

/** Refuses changes that would break the promise; undefined: they do not. */
export function refuseHarm(
  view: View,
  wish: {
    /** Such as "cannot start instance web". */
    readonly cannot: string
    readonly changes: readonly Change[]
  },
  now: Moment
): Refusal | undefined {
  const harm = harmOf(view, wish.changes, now)
  if (!harm) return undefined
  const kept = `the room that is kept for the loss of ${reserveName(harm.reserve)}`
  return refuse('capacity', `${wish.cannot}: ${kept} would be gone`, {
    reasons: [harmSentence(harm)],
    next: nextOfHarm(harm)
  })
}
