/**
 * What peers say of a host that the controller does not hear, and what follows from it.
 *
 * A controller that has lost its own network hears nobody, and would take everybody for dead. Those
 * who stand beside a host know better: when they do not reach it either, it is the host; when they
 * do, the fault is ours. A word counts only while whoever said it is heard himself, and only if he
 * looked after the silence began: what was so before proves nothing.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { PeerSeen, Report } from '#shared/wire/order.ts'
import { StorageWords } from './storage-words.ts'

/** A word that is older proves nothing. Unit: ms. */
export const testimonyMsMax: Ms = 8_000

/** What one peer found when it last looked for a host. Times are the controller's monotonic. */
export type Testimony = {
  /** Name of the host that looked. */
  readonly by: string
  readonly reached: boolean
  /** What its machine showed when its agent did not answer; left out: nothing is known of that. */
  readonly sign?: MachineSign | undefined
  readonly at: Ms
  /** When it was lost: each look since was in vain; left out: it is reached, or never was. */
  readonly missedSince?: Ms | undefined
  /** Since when each look has reached it; left out: the last one did not. */
  readonly reachedSince?: Ms | undefined
}

/** Its kernel takes calls that nobody answers, or says that nobody listens. */
export type MachineSign = 'accepts' | 'refuses' | 'silent'

/** What peers have said, by the UUID of whom they looked for. Only the view changes it. */
export class Witnesses {
  readonly #words = new Map<string, Map<string, Testimony>>()
  readonly #subjects = new Map<string, readonly string[]>()
  /** What they say of heartbeats on shared storage. */
  readonly storage = new StorageWords()

  /** A host has reported what it found of others, on the network and on shared storage. */
  hear(by: string, { peers = [], storage = [] }: Report, now: Ms): void {
    this.tell(by, peers, now)
    this.storage.tell(by, storage, now)
  }

  /** A host has reported what it found of its peers; what it said before is forgotten. */
  tell(by: string, peers: readonly PeerSeen[], now: Ms): void {
    const before = this.#subjects.get(by)
    const isSame =
      before?.length === peers.length && peers.every(({ host }, at) => host === before[at])
    if (!isSame) {
      this.forget(by)
      this.#subjects.set(
        by,
        peers.map(({ host }) => host)
      )
    }
    for (const { host, reached, sign, ageMs, missedMs } of peers) {
      const missedSince = missedMs === undefined || reached ? undefined : now - missedMs
      const words = this.#words.get(host) ?? new Map<string, Testimony>()
      if (words.size === 0) this.#words.set(host, words)
      const at = now - ageMs
      const reachedSince = reached ? (words.get(by)?.reachedSince ?? at) : undefined
      words.set(by, { by, reached, sign, at, missedSince, reachedSince })
    }
  }

  /** Forgets all that a host has said. */
  forget(by: string): void {
    for (const host of this.#subjects.get(by) ?? []) {
      const words = this.#words.get(host)
      words?.delete(by)
      if (words?.size === 0) this.#words.delete(host)
    }
    this.#subjects.delete(by)
  }

  /** A host is gone: nothing that it has said counts any more. */
  gone(name: string): void {
    this.forget(name)
    this.storage.gone(name)
  }

  /** What is said of a host, by the names of who says it. */
  of(uuid: string): readonly Testimony[] {
    const words = this.#words.get(uuid)
    return words ? [...words.values()].sort((a, b) => (a.by < b.by ? -1 : 1)) : []
  }
}

/**
 * `agreed`: peers do not reach it either. `one-sided`: a peer reaches it, so the fault may be ours.
 * `unknown`: nobody who can be asked has looked since.
 */
export type Corroboration = {
  readonly verdict: 'agreed' | 'one-sided' | 'unknown'
  readonly reached: readonly string[]
  readonly missed: readonly string[]
  /** What its machine shows to those who miss it: a sign of life counts more than none. */
  readonly sign: MachineSign
  /** How long ago the last of those lost it; 0: not all of them have had it before. Unit: ms. */
  readonly missedMs: Ms
  /** How long ago the first of those began that reach it at each look; 0: nobody does. Unit: ms. */
  readonly reachedMs: Ms
}

/** Judges whether peers corroborate the silence of a host. */
export function corroborate(
  words: readonly Testimony[],
  given: {
    /** When the controller last heard the silent host. */
    readonly silentSince: Ms
    readonly now: Ms
    /** Whether the controller hears a host by this name. */
    readonly isHeard: (name: string) => boolean
  }
): Corroboration {
  const { silentSince, now, isHeard } = given
  const valid = words.filter(
    ({ by, at }) => at > silentSince && now - at <= testimonyMsMax && isHeard(by)
  )
  const names = (reached: boolean) =>
    valid.filter(word => word.reached === reached).map(({ by }) => by)
  const [reached, missed] = [names(true), names(false)]
  const verdict = reached.length > 0 ? 'one-sided' : missed.length > 0 ? 'agreed' : 'unknown'
  const signs = valid.filter(word => !word.reached).map(({ sign }) => sign ?? 'silent')
  const sign = signs.find(one => one === 'refuses') ?? signs.find(one => one === 'accepts')
  const since = valid.map(({ missedSince = now }) => missedSince)
  const missedMs = verdict === 'agreed' ? now - Math.max(...since) : 0
  const reachedMs = now - Math.min(now, ...valid.map(({ reachedSince = now }) => reachedSince))
  return { verdict, reached, missed, sign: sign ?? 'silent', missedMs, reachedMs }
}

/** What a judgement says, to follow "h2 is silent for 6 s". */
export function corroborationSentence(found: Corroboration): string {
  const { verdict, reached, missed, sign } = found
  switch (verdict) {
    case 'agreed': {
      const [peers, verb] = missed.length === 1 ? ['peer', 'does'] : ['peers', 'do']
      return `its ${peers} ${listOf(missed)} ${verb} not reach it either${signWords[sign]}`
    }
    case 'one-sided':
      return `but ${listOf(reached)} reach${reached.length === 1 ? 'es' : ''} it`
    case 'unknown':
      return 'no peer has looked for it since'
    default:
      return verdict satisfies never
  }
}

const signWords: Readonly<Record<MachineSign, string>> = {
  silent: '',
  accepts: ', though its machine takes calls: it may be starved or stopped',
  refuses: ', but its machine says that no agent listens: what runs there runs on'
}

/** Whether a word still says something. */
export const isFresh = ({ at }: Testimony, now: Ms): boolean => now - at <= testimonyMsMax

/** Who reaches a host and who does not: `reached by h2, h3 (1 s ago); not by h4`. */
export function reachSentence(words: readonly Testimony[], now: Ms): string {
  const fresh = words.filter(word => isFresh(word, now))
  const reached = fresh.filter(word => word.reached)
  const missed = fresh.filter(word => !word.reached).map(({ by }) => by)
  const newest = Math.max(...reached.map(({ at }) => at))
  const age = reached.length > 0 ? ` (${formatMs(Math.max(0, now - newest))} ago)` : ''
  const yes =
    reached.length > 0 ? [`reached by ${reached.map(({ by }) => by).join(', ')}${age}`] : []
  const no =
    missed.length > 0 ? [`not ${yes.length > 0 ? '' : 'reached '}by ${missed.join(', ')}`] : []
  return [...yes, ...no].join('; ')
}

const listOf = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
