/**
 * Keeps the view and the journal in step.
 *
 * A commit is folded into the view first, so that the next decision sees it, and written then.
 * Writes are acknowledged in order. When one fails, it and all after it are taken back out of the
 * view, callers get a Fault, and nothing more is taken until the journal has recovered. Then
 * entries whose outcome was unknown are read back, the epoch is raised, and work goes on.
 *
 * What the view says may be ahead of the journal for a moment. So whoever lets something out, an
 * order or an answer, waits for `durable` first: then no reader has seen what a crash would undo.
 *
 *     following ──open──► leading ──a write fails──► broken ──recovered──► leading
 *         │ ▲                └──another one has the epoch──► deposed, for good
 *         └─┘ follow
 *
 * Until it is opened, a ledger follows what others have written, and takes nothing itself.
 */
import assert, { AssertionError } from 'node:assert/strict'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Commit } from '../core/commit.ts'
import type { Entry, Journal, Position } from '../core/ports.ts'
import { type Undo, View } from '../core/view.ts'

/** Waits between attempts to recover a journal that fails. Unit: ms. */
const recoverDelaysMs = [50, 200, 1_000, 2_000] as const

type Flight = { readonly position: Position; readonly undo: Undo; readonly done: Promise<void> }

/** What a ledger stands on; recovery is given up when the signal aborts. */
export type LedgerOptions = {
  /** What `open` writes to, unless it names another one. */
  readonly journal?: Journal
  readonly clock: Clock
  readonly log: Log
  /** Told of each commit once it is durable, in order. */
  readonly onDurable: (entry: Pick<Entry, 'position' | 'epoch' | 'commit'>) => void
  /** Told when commits were taken back that the view has held. */
  readonly onLost?: () => void
  /** Told once when another controller has the journal; without it nobody else can. */
  readonly onDeposed?: (because: Fault) => void
  readonly signal: AbortSignal
}

/** Commits are written, acknowledged and told in the order in which they were given. */
export class Ledger {
  readonly view = new View()
  readonly #options: LedgerOptions
  #journal: Journal | undefined
  #epoch: Epoch = 0
  #durable: Position = 0
  #flights: Flight[] = []
  #broken: Fault | undefined = new Fault('unavailable', 'this candidate does not lead')
  #recovery: Promise<void> | undefined

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  get epoch(): Epoch {
    return this.#epoch
  }
  /** Position up to which everything is in the journal. */
  get durablePosition(): Position {
    return this.#durable
  }
  /** Why nothing can be recorded at the moment; undefined: it can. */
  get broken(): Fault | undefined {
    return this.#broken
  }

  /** Whether it takes commits, or did until its journal failed; until then it follows. */
  get isOpen(): boolean {
    return this.#journal !== undefined
  }

  /** Says that the view was loaded as it was at some moment of the journal. */
  loaded(at: { readonly epoch: Epoch }): void {
    assert(!this.isOpen)
    this.#epoch = at.epoch
    this.#durable = this.view.position
  }

  /** Takes in what another controller has written. */
  follow({ position, epoch, commit }: Entry): void {
    assert(!this.isOpen, 'who leads follows nobody')
    assert.equal(position, this.view.position + 1, 'an entry was left out')
    this.view.fold({ type: 'commit', position, commit })
    this.#epoch = epoch
    this.#durable = position
    this.#options.onDurable({ position, epoch, commit })
  }

  /** Takes the epoch and says that the loaded view is that of the journal's head. */
  async open(epoch: Epoch, journal = this.#options.journal): Promise<void> {
    assert(journal)
    this.#epoch = epoch
    this.#durable = this.view.position
    assert.equal(this.#durable, journal.head())
    this.#journal = journal
    this.#broken = undefined
  }

  /**
   * Folds and writes one commit; resolves once it is durable. The view has it when this returns.
   * Fault `unavailable` when it cannot be recorded: then the view has it no longer.
   */
  commit(commit: Commit): Promise<Position> {
    if (this.#broken) return Promise.reject(this.#unavailable(this.#broken))
    const { onDurable } = this.#options
    const journal = this.#opened()
    const position = this.view.position + 1
    const undo = this.view.fold({ type: 'commit', position, commit })
    assert(undo)
    const epoch = this.#epoch
    const written = journal.append(commit, { epoch }).then(at => {
      assert.equal(at, position, 'the journal and the view are at different positions')
      this.#durable = position
      this.#flights.shift()
      onDurable({ position, epoch, commit })
      return position
    })
    const done = written.then(
      () => undefined,
      () => undefined
    )
    this.#flights.push({ position, undo, done })
    return written.catch(async failure => {
      throw this.#unavailable(await this.#fail(failure))
    })
  }

  /** Resolves once everything that the view holds now is in the journal. */
  async durable(): Promise<void> {
    const last = this.#flights.at(-1)
    if (!last) return
    await last.done
    if (this.#broken) throw this.#unavailable(this.#broken)
  }

  /** Makes an answer, and gives it once all that it can have been made of is in the journal. */
  async settled<Answer>(make: () => Answer | Promise<Answer>): Promise<Answer> {
    try {
      return await make()
    } finally {
      await this.durable()
    }
  }

  /** Steps back over all that was not written, once, and begins to recover. */
  async #fail(failure: unknown): Promise<Fault> {
    if (this.#broken) return this.#broken
    const fault =
      failure instanceof Fault
        ? failure
        : new Fault('unavailable', 'cannot write the journal', { cause: failure })
    this.#broken = fault
    await Promise.all(this.#flights.map(flight => flight.done))
    const flights = this.#flights
    this.#flights = []
    const lost = flights.filter(flight => flight.position > this.#durable)
    this.view.unfold(lost.map(({ undo }) => undo))
    if (lost.length > 0) this.#options.onLost?.()
    this.#options.log.error('cannot write the journal: nothing is recorded until it recovers', {
      because: sentence(failure),
      commits: lost.length
    })
    // What we believe of the journal is not so: no recovery mends that, only the next to begin.
    if (failure instanceof AssertionError) this.#recovery = Promise.reject(failure)
    else if (!this.#isDeposed(fault)) this.#recovery = this.#recover()
    return fault
  }

  /** Whether it is over: somebody else has raised the epoch, or our own session has ended. */
  #isDeposed(thrown: unknown): boolean {
    const { onDeposed } = this.#options
    const over = isFault(thrown, 'stale') || isFault(thrown, 'closed')
    if (!over || !onDeposed) return false
    onDeposed(thrown)
    return true
  }

  /** Raises the epoch above one that was seen: the journal is an older copy of itself. */
  async raiseAbove(epoch: Epoch): Promise<void> {
    const journal = this.#opened()
    try {
      while (this.#epoch <= epoch) this.#epoch = await journal.raiseEpoch(epoch)
    } catch (thrown) {
      this.#isDeposed(thrown)
      throw thrown
    }
    this.#options.log.warn('raised the epoch above one that a host has seen', {
      epoch: this.#epoch
    })
  }

  /** Resolves when a recovery that is under way has ended. */
  async recovered(): Promise<void> {
    await this.#recovery
  }

  #opened(): Journal {
    assert(this.#journal)
    return this.#journal
  }

  async #recover(): Promise<void> {
    const { clock, log, signal } = this.#options
    const journal = this.#opened()
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await clock.sleep(recoverDelaysMs[Math.min(attempt, recoverDelaysMs.length - 1)]!, signal)
        const head = await journal.recover()
        await this.#readBack()
        this.#epoch = await journal.raiseEpoch()
        this.#broken = undefined
        log.info('the journal takes commits again', { position: head, epoch: this.#epoch })
        return
      } catch (thrown) {
        if (signal.aborted || this.#isDeposed(thrown)) return
        // What was acknowledged is gone: only an opening can judge that, by whoever comes next.
        if (isFault(thrown, 'corrupt')) throw new AssertionError({ message: sentence(thrown) })
        if (attempt % 10 === 0)
          log.warn('cannot recover the journal', { because: sentence(thrown) })
      }
    }
  }

  /** Folds entries that were written although nobody was told so. */
  async #readBack(): Promise<void> {
    for await (const entry of this.#opened().entries(this.#durable)) {
      this.view.fold({ type: 'commit', position: entry.position, commit: entry.commit })
      this.#durable = entry.position
      this.#options.onDurable(entry)
    }
  }

  #unavailable(fault: Fault): Fault {
    return new Fault('unavailable', `cannot record the change: ${fault.message}`, {
      cause: fault,
      reasons: fault.reasons,
      next: fault.next.length > 0 ? fault.next : ['remuda doctor', 'try again in a moment']
    })
  }
}
