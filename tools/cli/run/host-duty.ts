/** What a host says of its duty, and waiting until that is at its end. */
import { Fault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMib, formatMs } from '#shared/units.ts'
import { follow } from '../api/follow.ts'
import { readResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'

/** One instance of a host that is emptied. */
export type DepartureSaid = {
  readonly tenant: string
  readonly name: string
  readonly state: 'leaving' | 'goes' | 'waits' | 'held' | 'stays'
  readonly because: string
  readonly to?: string
  readonly live?: boolean
  readonly phase?: 'preparing' | 'sending' | 'crossing' | 'withdrawing' | 'asking'
  readonly totalMib?: number
  readonly remainingMib?: number
  readonly mibPerSecond?: number
  readonly writtenMibPerSecond?: number
}

/** `status.duty` of a host. */
export type DutySaid = {
  readonly state: 'draining' | 'maintenance' | 'returning'
  readonly total: number
  readonly done: number
  readonly stillMsMax?: number
  readonly rebootsSince?: string
  readonly instances: readonly DepartureSaid[]
}

/** Where a host stands on its way; the words are for people. */
export type Stand =
  | { readonly state: 'there'; readonly words: string }
  | { readonly state: 'underway'; readonly words: string }
  /** It may go on by itself later; nothing is to be expected of it now. */
  | { readonly state: 'stuck'; readonly words: string; readonly reasons: readonly string[] }

/** How long something that cannot go on is given, should it be about to. Unit: ms. */
const stuckMs = 3_000
/** How long one host is waited for where nobody says. Unit: ms. */
const waitMsDefault = 3_600_000

/** The duty of a host; undefined: it is in use. */
export const dutyOf = (document: ResourceDocument): DutySaid | undefined =>
  document.status['duty'] as DutySaid | undefined

/** Waits until a host stands where it is wanted, and gives the last document. */
export async function untilStands(
  invocation: Invocation,
  reference: Reference,
  options: {
    /** Such as `drain host h2`. */
    readonly doing: string
    readonly judge: (document: ResourceDocument) => Stand
    readonly say: (words: string) => void
    /** What to do when it is interrupted, late, or stuck. */
    readonly next: readonly string[]
    /** Ends when something else of the same command has failed. */
    readonly signal?: AbortSignal
  }
): Promise<ResourceDocument> {
  const { doing, judge, say, next } = options
  const api = await invocation.connect()
  const timeoutMs = invocation.given.number('timeout') ?? waitMsDefault
  const stop = options.signal ?? invocation.signal
  const signal = AbortSignal.any([stop, AbortSignal.timeout(Math.ceil(timeoutMs))])
  let words = 'nothing has been said of it yet'
  let stuckSince: number | undefined
  const seen = follow(api, {
    query: { kinds: 'host,instance', tenant: '*' },
    signal,
    look: inner => readResource(api, reference, inner),
    away: because => {
      if (because !== undefined) say(`${reference.name}: ${because}; trying again`)
    }
  })
  for await (const document of seen) {
    const stand = judge(document)
    words = stand.words
    if (stand.state === 'there') return document
    say(`${reference.name}: ${words}`)
    const now = performance.now()
    stuckSince = stand.state === 'stuck' ? (stuckSince ?? now) : undefined
    if (stand.state === 'stuck' && now - stuckSince! >= stuckMs) {
      throw new Fault('command', `cannot ${doing}: ${words}`, { reasons: stand.reasons, next })
    }
  }
  if (stop.aborted) {
    const reasons = [words, 'what was asked for is recorded and goes on']
    throw new Fault('aborted', `cannot wait any longer to ${doing}: interrupted`, { reasons, next })
  }
  const message = `cannot ${doing} within ${formatMs(timeoutMs)}`
  throw new Fault('deadline', message, { reasons: [words], next })
}

/** How far a host is emptied. */
export function judgeDrained(document: ResourceDocument): Stand {
  const duty = dutyOf(document)
  if (!duty) {
    const reasons = ['somebody has resumed it']
    return { state: 'stuck', words: 'it is in use, and no longer emptied', reasons }
  }
  if (duty.state === 'maintenance') return { state: 'there', words: progressOf(duty, 'have left') }
  const words = progressOf(duty, 'have left')
  const held = duty.instances.filter(({ state }) => state === 'held')
  const moves = duty.instances.some(({ state }) => ['leaving', 'goes', 'waits'].includes(state))
  if (moves || held.length === 0) return { state: 'underway', words }
  const count = `${held.length} instance${held.length === 1 ? ' has' : 's have'}`
  return {
    state: 'stuck',
    words: `${count} nowhere to go`,
    reasons: held.map(({ name, because }) => `${name}: ${because}`)
  }
}

/** How far instances are back on a host. */
export function judgeReturned(document: ResourceDocument): Stand {
  const duty = dutyOf(document)
  return duty
    ? { state: 'underway', words: progressOf(duty, 'are back') }
    : { state: 'there', words: 'in use' }
}

/** Whether a host takes instances again. */
export function judgeInUse(document: ResourceDocument): Stand {
  const phase = String(document.status['phase'])
  if (phase === 'online') return { state: 'there', words: 'in use' }
  const ready = document.conditions.find(({ type }) => type === 'ready')
  return { state: 'underway', words: `is ${phase}${ready ? `: ${ready.message}` : ''}` }
}

/** Whether a host is back in another boot than that. */
export const judgeRebooted =
  (bootId: unknown) =>
  (document: ResourceDocument): Stand => {
    const duty = dutyOf(document)
    const now = document.status['bootId']
    const isBack = now !== undefined && now !== bootId && duty?.rebootsSince === undefined
    return isBack
      ? { state: 'there', words: `back in boot ${String(now)}` }
      : { state: 'underway', words: 'boots anew' }
  }

/** How many of how many, and what is on its way with how much of its memory. */
function progressOf(duty: DutySaid, verb: string): string {
  const ways = duty.instances.filter(({ state }) => state === 'leaving').map(wayWords)
  const waits = duty.instances.filter(({ state }) => state === 'waits' || state === 'held')
  const still = duty.stillMsMax === undefined ? [] : [`longest standstill ${duty.stillMsMax} ms`]
  const waiting = waits.length === 0 ? [] : [`${waits[0]!.name} waits: ${waits[0]!.because}`]
  const parts = ways.length > 0 ? [...ways, ...still] : [...waiting, ...still]
  return [`${duty.done} of ${duty.total} ${verb}`, ...parts].join('; ')
}

function wayWords(said: DepartureSaid): string {
  const { name, to, live, phase, totalMib, remainingMib } = said
  const way = `${name} to ${to}${live ? '' : ', shut down'}`
  if (!totalMib || remainingMib === undefined) return way
  const percent = Math.floor((100 * Math.max(0, totalMib - remainingMib)) / totalMib)
  const runs = phase === 'crossing' ? ', runs there already' : ''
  return `${way}${runs}, ${percent} %, ${formatMib(remainingMib)} left${endWords(said)}`
}

/**
 * When it is there, if it goes on as it does. What it writes meanwhile is sent again, so what is
 * left shrinks by the difference alone; of one that crosses nothing is sent twice.
 */
function endWords({ phase, remainingMib = 0, ...said }: DepartureSaid): string {
  const { mibPerSecond, writtenMibPerSecond = 0 } = said
  if (!mibPerSecond) return ''
  const written = phase === 'crossing' ? 0 : writtenMibPerSecond
  if (written * 2 >= mibPerSecond) {
    return `, no end in sight: it writes ${written} MiB/s, ${mibPerSecond} MiB/s are sent`
  }
  return `, about ${formatMs((1_000 * remainingMib) / (mibPerSecond - written))}`
}
