/**
 * The storage as a witness: whoever still writes to a shared pool is not off, whatever else is said
 * of it.
 *
 * It speaks against two errors. A host that nobody reaches may be cut off, not dead. It is fenced
 * all the same, since what runs there writes to the storage and cannot be told to stop; but people
 * are told, and where the network's evidence is thin it is given more time. And a device may say
 * *off* of a host that runs on: that alone would let an instance run twice. So what a device says
 * is not taken for proof as long as the host was seen to write after it was said.
 *
 * What may that cost? Heartbeats come every second and are looked at twice as often, so when a
 * device has read off, it is mostly known already whether they go on:
 *
 *   it lost its power     they stopped before it was even suspected: nothing is waited for
 *   it was cut off        they went on until the device switched it off: until they are seen to
 *                         stand still, a second and a half after the last one, is waited
 *   its device lies       they go on: the next level of devices is asked, with an alarm, and its
 *                         word is judged by itself; where none is left or none answers, it is
 *                         held until they stop for `quietMs`, or an operator says that it is off;
 *                         should they go on after that, only the operator's word is left
 *   nobody can look       nothing is waited for
 *   who looks is unheard  a new controller waits for the first word on the host, until all have
 *                         reported, or for `firstWordMsMax` from when it began to listen: it asks
 *                         bootd no sooner than it has listened (fence-orders.ts), but may be told
 *                         what bootd was asked by the one before
 *
 * So only who was cut off and lives pays for it, in whose case alone a lie is deadly; and no more
 * than `settleMsMax` unless a write is really seen. Who would rather not wait sets the witness to
 * `alarm`.
 *
 * After the self-fence of a host its heartbeats rightly go on: there they contradict nothing.
 */
import type { Host, HostRecovery } from '#shared/model/host.ts'
import type { Pool } from '#shared/model/pool.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { fenceTurnOf, isLasting, isTurnContradicted } from './fence-turn.ts'
import { phaseOf } from './liveness.ts'
import { listed } from './refusal.ts'
import type { StorageWord } from './storage-words.ts'
import type { View } from './view.ts'

/** Who has looked longer ago says nothing of now. Unit: ms. */
const freshMs: Ms = 4_000
/** A word may have been on its way for so long. Unit: ms. */
const transitMs: Ms = 1_000
/** What was written so shortly after the last word of a host is of the same moment. Unit: ms. */
const apartMs: Ms = 1_000
/** Not seen to change for so long it stands still; as `storageStillMs` of agents. Unit: ms. */
const stillMs: Ms = 1_500
/**
 * It is waited for no longer than this until it is seen whether they go on: a second each for words
 * on their way, the next heartbeat and the look at it, and two and a half until that is reported.
 */
const settleMsMax: Ms = 6_000
/** A new controller waits for the first words of others from when it began to listen. Unit: ms. */
const firstWordMsMax: Ms = 4_000
/** Of a device that was contradicted heartbeats must have stopped for so long. Unit: ms. */
export const quietMs: Ms = 10_000

/** Who has seen a host write, and where. */
export type LifeSign = { readonly pools: string; readonly by: string }

/** Words of hosts that are heard, about a host in whichever boot. */
const allWordsOf = (view: View, { decided }: Host, now: Ms): readonly StorageWord[] =>
  view.witnesses.storage.of(decided.uuid).filter(({ by }) => {
    const other = view.named('host', by)
    return other !== undefined && phaseOf(other, view.heard(by), now) === 'online'
  })

/** Those of them about the boot that is meant. */
function wordsOf(view: View, host: Host, now: Ms): readonly StorageWord[] {
  const { recovery, bootId } = host.decided
  const boot = recovery ? recovery.bootId : bootId
  if (boot === undefined) return []
  return allWordsOf(view, host, now).filter(({ bootId: of }) => of === boot)
}

const isFresh = ({ lookedAt }: StorageWord, now: Ms): boolean => now - lookedAt <= freshMs

/** Who sees that a host still writes which is not heard; undefined: nobody does. */
export function lifeSignOf(view: View, host: Host, now: Ms): LifeSign | undefined {
  const heardAt = view.heard(host.name).heardAt ?? Number.NEGATIVE_INFINITY
  const since = Math.max(heardAt, view.listeningSince) + apartMs
  const words = wordsOf(view, host, now).filter(
    word => isFresh(word, now) && word.stillMs < stillMs && (word.writtenAfter ?? -1) > since
  )
  return words.length === 0 ? undefined : signIn(words)
}

/** What a host has written since a moment, to follow "but"; undefined: nothing that is known. */
export function writesSince(
  view: View,
  host: Host,
  { since, now }: { readonly since: Ms; readonly now: Ms }
): string | undefined {
  const after = since + transitMs
  const wrote = wordsOf(view, host, now).filter(({ writtenAfter = -1 }) => writtenAfter > after)
  return wrote.length === 0 || !Number.isFinite(after) ? undefined : wroteWords(wrote)
}

const wroteWords = (words: readonly StorageWord[]): string => {
  const { pools, by } = signIn(words)
  return `it still wrote to pool ${pools} after that, as ${by} saw`
}

const signIn = (words: readonly StorageWord[]): LifeSign => {
  const unique = (texts: readonly string[]): string => listed([...new Set(texts)])
  return { pools: unique(words.map(({ pool }) => pool)), by: unique(words.map(({ by }) => by)) }
}

/** Such as "it still writes to pool far, as h2 sees". */
export const lifeSentence = ({ pools, by }: LifeSign): string =>
  `it still writes to pool ${pools}, as ${seeing(by)}`

/** What speaks against the word of a device; undefined: nothing that is known. */
export type Doubt =
  /** It has written since, as was seen. */
  | { readonly state: 'writes'; readonly because: string }
  /** It wrote until it was switched off, and is not seen to stand still yet. */
  | { readonly state: 'unsettled'; readonly because: string }

/** Judges what a device says of a host that is being fenced, or was. */
export function doubtOf(
  view: View,
  host: Host,
  { recovery, now }: { readonly recovery: HostRecovery; readonly now: Ms }
): Doubt | undefined {
  const readAt = view.witnesses.storage.readOffAt(host.name, fenceTurnOf(host, recovery).fence)
  const held = isTurnContradicted(host, recovery) ? recovery.contradicted : undefined
  const words = wordsOf(view, host, now)
  const fresh = words.filter(word => isFresh(word, now))
  const since = (readAt ?? Number.POSITIVE_INFINITY) + transitMs
  const wrote = words.filter(({ writtenAfter = -1 }) => writtenAfter > since)
  if (held || wrote.length > 0) {
    if (held && !isLasting(held) && isQuiet(view, host, now)) return undefined
    const because =
      words.length === 0 ? (held?.because ?? '') : wroteWords(wrote.length > 0 ? wrote : words)
    return { state: 'writes', because }
  }
  if (readAt !== undefined && words.length === 0 && isWordDue(view, host, now)) {
    return { state: 'unsettled', because: 'not all who may have seen it write are heard yet' }
  }
  const moving = fresh.filter(word => word.writtenAfter !== undefined && word.stillMs < stillMs)
  if (moving.length === 0 || readAt === undefined || now >= readAt + settleMsMax) return undefined
  const because = `its heartbeat in pool ${signIn(moving).pools} is not seen to stand still yet`
  return { state: 'unsettled', because }
}

/** Whether a host has not written for so long that what was contradicted counts after all. */
export function isQuiet(view: View, host: Host, now: Ms): boolean {
  const words = endWords(view, host, now)
  return words.length > 0 && words.every(word => word.stillMs >= quietMs)
}

/**
 * What tells that the boot that is meant writes no more. Where nobody speaks of that boot, another
 * one has written over what it left: then that tells it, if there is a word on each shared pool.
 */
function endWords(view: View, host: Host, now: Ms): readonly StorageWord[] {
  const own = wordsOf(view, host, now)
  const words = own.length > 0 ? own : allWordsOf(view, host, now)
  const fresh = words.filter(word => isFresh(word, now))
  const isWhole = beatenPools(view).every(({ name }) => fresh.some(({ pool }) => pool === name))
  return own.length > 0 || isWhole ? fresh : []
}

/** Shared pools in which hosts write heartbeats. */
const beatenPools = (view: View): readonly Pool[] =>
  [...view.all('pool').values()].filter(({ spec }) => spec.shared && spec.heartbeats !== false)

/** Whether a controller listens so newly that who may have seen a host write is still to report. */
function isWordDue(view: View, host: Host, now: Ms): boolean {
  if (now >= view.listeningSince + firstWordMsMax) return false
  if (beatenPools(view).length === 0) return false
  return [...view.all('host').values()].some(
    ({ id, name, decided }) =>
      id !== host.id &&
      decided.approval === 'approved' &&
      decided.recovery === undefined &&
      view.heard(name).report === undefined
  )
}

/** Whether the witness holds up what it speaks against, or only says so. */
export const witnessHolds = (view: View): boolean => view.cloud?.healing?.storageWitness !== 'alarm'

/** How long a host has not written, by those who look; to follow the word of its device. */
export function quietWords(view: View, host: Host, now: Ms): string {
  const words = endWords(view, host, now)
  if (words.length === 0) return ''
  const still = formatMs(Math.min(...words.map(word => word.stillMs)))
  const { pools, by } = signIn(words)
  return `it has not written to pool ${pools} for ${still}, as ${seeing(by)}`
}

const seeing = (by: string): string => `${by} ${by.includes(',') ? 'see' : 'sees'}`
