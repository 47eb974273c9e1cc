/**
 * Follows the shared journal: fills the view from this candidate's own replica, or else from the
 * journal's checkpoint, and folds each entry as it comes.
 *
 * The replica counts only where the journal has the very entry, by its hash, up to which it was
 * written. One that was put back, is of another cloud, or is so old that the journal has forgotten
 * that entry is of no use. What was folded cannot be taken out of the view again; so then, and only
 * then, the program starts anew, without a replica.
 */

import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { Entry, Journal, Position, SharedJournal } from '../core/ports.ts'
import { breathing } from './breath.ts'
import type { Feed } from './feed.ts'
import type { Link } from './journal/entry-codec.ts'
import type { OpenStore } from './journal/store.ts'
import { Keeper, loadCheckpoint } from './keeper.ts'
import type { KeyTaps } from './key-taps.ts'
import type { Ledger } from './ledger.ts'
import { Replica } from './replica.ts'

/** Waits before a journal that could not be read is read again. Unit: ms. */
const againMs: Ms = 500
/** Entries whose hashes are remembered, for the replica that is being written. */
const linksMax = 4_096
/** So often a journal may end before what was followed; after that it was put back. */
const behindMax = 10
/** Without a journal a candidate knows what is in its replica alone: it is never much older. */
const replicaEveryMs: Ms = 15_000
/** The replica is written so many times more often than the journal's checkpoint. */
const replicaPace = 2

/** How far it is. `anew`: start the program again; `corrupt`: the journal itself does not hold. */
export type FollowingState =
  | { readonly state: 'waits' | 'reads' | 'follows'; readonly because: string }
  | { readonly state: 'corrupt'; readonly because: string }

/** Why following has ended. */
export type FollowingEnd =
  | { readonly end: 'aborted' }
  | { readonly end: 'anew' | 'corrupt'; readonly because: string }

/** What a follower stands on. */
export type FollowerOptions = {
  /** Where the replica is. */
  readonly folder: string
  readonly ledger: Ledger
  readonly feed: Feed
  readonly taps: KeyTaps
  /** Opens what the replica is kept in: LevelDB, if left out. */
  readonly openStore?: OpenStore
  readonly clock: Clock
  readonly log: Log
}

/** Made by `open`; `attach` comes before `follow`, for each connection to the journal. */
export class Follower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #recent: Link[] = []
  #replica!: Replica
  #keeper!: Keeper
  #journal: Journal | undefined
  #state: FollowingState = { state: 'waits', because: 'it has not reached the journal yet' }
  #caughtUp = Promise.withResolvers<void>()
  #headAtStart: Position = 0
  #isVerified = false
  #behind = 0

  private constructor(options: FollowerOptions) {
    this.#options = options
  }

  /**
   * Opens the replica and fills the view from it. One that is damaged is thrown away. Fault
   * `locked`: another process has it; `corrupt`: start the program anew, the view is of no use.
   */
  static async open(options: FollowerOptions): Promise<Follower> {
    const follower = new Follower(options)
    const { folder, ledger, feed, taps, log, openStore } = options
    const linkAt = (position: Position): Promise<Link> => follower.#linkAt(position)
    follower.#replica = await Replica.open(folder, {
      ...{ log, linkAt },
      ...(openStore && { openStore })
    })
    try {
      follower.#keeper = new Keeper({
        journal: follower.#replica,
        view: ledger.view,
        log,
        changed: taps.open(),
        pace: replicaPace,
        everyMs: replicaEveryMs
      })
      const { link } = follower.#replica
      await follower.#keeper.load()
      if (link) {
        ledger.loaded({ epoch: link.epoch })
        feed.begin(link)
      }
      return follower
    } catch (thrown) {
      if (isFault(thrown, 'corrupt')) await follower.#replica.clear(sentence(thrown))
      await follower.#replica[Symbol.asyncDispose]()
      throw thrown
    }
  }

  get state(): FollowingState {
    return this.#state
  }
  /** Writes the replica. */
  get keeper(): Keeper {
    return this.#keeper
  }

  /**
   * Takes a journal up: looks whether what is in the view is a part of it, or fills the view from
   * its checkpoint. Gives why that cannot be; then the replica is thrown away.
   */
  async attach(journal: SharedJournal): Promise<string | undefined> {
    const { ledger, feed, log } = this.#options
    this.#journal = journal
    this.#caughtUp = Promise.withResolvers()
    this.#headAtStart = journal.opening.head
    this.#state = { state: 'reads', because: `it reads up to entry ${this.#headAtStart}` }
    const objection = await this.#objection(journal)
    if (objection !== undefined) {
      await this.forget(objection)
      return objection
    }
    if (ledger.view.position === 0) {
      const position = await loadCheckpoint(journal, ledger.view)
      if (position !== undefined) {
        const { epoch } = journal.opening
        ledger.loaded({ epoch })
        feed.begin({ position, epoch })
        await this.#keeper.adopt({ soon: true })
        log.info('read the checkpoint of the journal', { position })
      }
    }
    this.#isVerified = true
    this.#noteCaughtUp()
    return undefined
  }

  /** Why the view is no part of the journal. */
  async #objection(journal: Journal): Promise<string | undefined> {
    const { position } = this.#options.ledger.view
    const known = this.#recent.at(-1) ?? this.#replica.link
    if (position === 0 || known?.position !== position) return undefined
    const { head } = journal.opening
    if (head < position && this.#behind < behindMax) {
      this.#behind += 1
      throw new Fault('unavailable', `the journal ends at ${head}, entry ${position} was followed`)
    }
    this.#behind = 0
    try {
      const { hash } = await readLink(journal, position)
      if (hash === known.hash) return undefined
      return `entry ${position} of the journal is another one than was followed`
    } catch (thrown) {
      if (isFault(thrown, 'not-found')) return sentence(thrown)
      throw thrown
    }
  }

  /** Throws the replica away. */
  async forget(because: string): Promise<void> {
    await this.#keeper.idle()
    await this.#replica.clear(because)
  }

  /** Resolves once all is folded that was in the journal when it was taken up. */
  async caughtUp(): Promise<void> {
    await this.#caughtUp.promise
  }

  /** Folds each entry as it comes, until the signal aborts or there is no going on. */
  async follow(journal: SharedJournal, signal: AbortSignal): Promise<FollowingEnd> {
    const { ledger, clock, log } = this.#options
    while (!signal.aborted) {
      try {
        await this.#followOnce(journal, signal)
        if (!signal.aborted) throw new Fault('closed', 'the journal was closed')
      } catch (thrown) {
        if (signal.aborted) break
        const because = sentence(thrown)
        if (isFault(thrown, 'not-found')) {
          await this.forget(because)
          return { end: 'anew', because }
        }
        if (isFault(thrown, 'corrupt')) {
          this.#state = { state: 'corrupt', because }
          log.error('cannot follow the journal: this candidate does not stand', { because })
          return { end: 'corrupt', because }
        }
        if (!isFault(thrown)) throw thrown
        if (this.#state.state !== 'waits') {
          log.warn('cannot read the journal', { because, position: ledger.view.position })
        }
        this.#state = { state: 'waits', because }
        await clock.sleep(againMs, signal).catch(() => undefined)
      }
    }
    return { end: 'aborted' }
  }

  async #followOnce(journal: SharedJournal, signal: AbortSignal): Promise<void> {
    const { ledger, clock } = this.#options
    const breathe = breathing(clock)
    for await (const entry of journal.tail(ledger.view.position, signal)) {
      this.take(entry)
      const pause = breathe()
      if (pause) await pause
    }
  }

  /** Folds one entry. */
  take(entry: Entry): void {
    const { position, hash, epoch } = entry
    this.#options.ledger.follow(entry)
    this.#recent.push({ position, hash, epoch })
    if (this.#recent.length > linksMax) this.#recent.splice(0, linksMax / 2)
    this.#noteCaughtUp()
  }

  #noteCaughtUp(): void {
    const { position } = this.#options.ledger.view
    if (!this.#isVerified || position < this.#headAtStart) return
    this.#state = { state: 'follows', because: 'it has all that the journal has' }
    this.#caughtUp.resolve()
  }

  /** Entries of our own reign are not among those that were followed: the journal has them. */
  async #linkAt(position: Position): Promise<Link> {
    const first = this.#recent[0]?.position ?? Number.POSITIVE_INFINITY
    const known = this.#recent[position - first]
    if (known?.position === position) return known
    if (!this.#journal) {
      throw new Fault('unavailable', `cannot find entry ${position}: the journal is not reached`)
    }
    return await readLink(this.#journal, position)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.idle()
    await this.#replica[Symbol.asyncDispose]()
  }
}

/** Hash and epoch of one entry; Fault `not-found` when it is not there, or forgotten. */
async function readLink(journal: Journal, position: Position): Promise<Link> {
  for await (const { hash, epoch, position: at } of journal.entries(position - 1)) {
    if (at === position) return { position, hash, epoch }
    break
  }
  throw new Fault('not-found', `the journal has no entry ${position}`)
}
