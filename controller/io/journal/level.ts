/**
 * The journal in an embedded LevelDB: the default of a cloud with one controller.
 *
 * All writes go through one lane, one at a time, each of them synced to the disk. Commits that come
 * in while a write is under way wait in a queue, and the next write takes them together: so a
 * hundred callers cost hardly more syncs than one (group commit).
 *
 *     taking ──a write fails──► failed ──recover()──► taking
 *        └──────────────────────────┴──dispose──► closed
 *
 * After a failed write nobody knows what is in the file: LevelDB may have written a part of the
 * record, and would append the next one behind it, where no recovery would ever find it. So nothing
 * more is written until `recover` has closed LevelDB, opened it again and verified the tail.
 */
import { Fault, isFault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import { type Log, silentLog } from '#shared/log.ts'
import type { Commit } from '../../core/commit.ts'
import type { ChangedChunks, Entry, Journal, JournalOpening, Position } from '../../core/ports.ts'
import { AppendQueue, type Waiting } from './append-queue.ts'
import { readChunks, storeCheckpoint } from './checkpoint.ts'
import {
  decodeCommit,
  encodeCommit,
  entryKey,
  follow,
  type Link,
  openEntry,
  sealEntry
} from './entry-codec.ts'
import { Lane, withDeadline } from './lane.ts'
import { openLevelStore } from './level-store.ts'
import { type Opened, openWhole } from './opening.ts'
import { diskRefused } from './places.ts'
import { type Manifest, putRecord } from './records.ts'
import type { OpenStore, Store, Write } from './store.ts'

/** What a journal is opened with; left out, nothing is logged and LevelDB is used. */
export type LevelJournalOptions = {
  readonly log?: Log
  /** Opens what the bytes are kept in: LevelDB, unless a test puts something before it. */
  readonly openStore?: OpenStore
  /** Longest that one write may take before the journal counts as failed. Unit: ms. */
  readonly writeMsMax?: number
}

/** Longest that closing LevelDB may take. */
const closeMsMax = 60_000
/** Entries that are forgotten in one write. */
const prunedMax = 1000

/**
 * Opens the journal in a folder, which is made if there is none. Codes: `locked` (another process
 * has it open), `corrupt` (no cloud can safely start from it), `invalid` (a newer release wrote
 * it), `unavailable` (disk full, read-only, failing).
 */
export async function openLevelJournal(
  path: string,
  options: LevelJournalOptions = {}
): Promise<Journal> {
  const log = options.log ?? silentLog
  const openStore = options.openStore ?? openLevelStore
  const opened = await openWhole(path, { log, openStore })
  return new LevelJournal(opened, { log, openStore, writeMsMax: options.writeMsMax ?? 30_000 })
}

type State =
  | { readonly state: 'taking' }
  | { readonly state: 'failed'; readonly fault: Fault }
  | { readonly state: 'closed' }

class LevelJournal implements Journal {
  readonly opening: JournalOpening
  readonly #path: string
  readonly #options: Required<LevelJournalOptions>
  readonly #lane = new Lane()
  readonly #checkpoints = new Lane()
  readonly #queue = new AppendQueue()
  #store: Store
  #state: State = { state: 'taking' }
  #epoch: Epoch
  #last: Link
  #anchor: Link
  #checkpoint: Manifest | undefined
  #writeIsDue = false
  #closing = false
  #recovery: Promise<Position> | undefined

  constructor(opened: Opened, options: Required<LevelJournalOptions>) {
    const { epoch, last, cut } = opened
    const reported = cut && { entries: cut.entries, because: cut.because }
    this.opening = { head: last.position, epoch, cut: reported }
    this.#path = opened.path
    this.#options = options
    this.#store = opened.store
    this.#epoch = epoch
    this.#last = last
    this.#anchor = opened.anchor
    this.#checkpoint = opened.checkpoint
  }

  head(): Position {
    return this.#last.position
  }

  raiseEpoch(above: Epoch = 0): Promise<Epoch> {
    return this.#lane.run(async () => {
      const epoch = Math.max(this.#epoch, above) + 1
      await this.#write([putRecord('epoch', { epoch })])
      this.#epoch = epoch
      return epoch
    })
  }

  async append(commit: Commit, { epoch }: { readonly epoch: Epoch }): Promise<Position> {
    if (this.#closing) throw this.#closed()
    this.#assertTaking()
    const position = this.#queue.add(encodeCommit(commit), epoch)
    this.#writeSoon()
    return position
  }

  async *entries(after: Position): AsyncIterable<Entry> {
    const upTo = this.#last.position
    if (after >= upTo) return
    let last = await this.#linkAt(after)
    const keys = { after: entryKey(after), upTo: entryKey(upTo) }
    for await (const page of this.#store.range(keys)) {
      for (const pair of page) {
        const entry = follow(last, pair)
        if (typeof entry === 'string') throw this.#unreadable(entry)
        last = entry
        const { position, epoch, hash } = entry
        yield { position, epoch, hash, commit: decodeCommit(entry) }
      }
    }
    if (last.position < upTo) throw this.#unreadable(`entries after ${last.position} are missing`)
  }

  recover(): Promise<Position> {
    this.#recovery ??= this.#lane
      .run(() => this.#reopen())
      .finally(() => {
        this.#recovery = undefined
      })
    return this.#recovery
  }

  writeCheckpoint({
    position,
    changed
  }: {
    readonly position: Position
    readonly changed: ChangedChunks
  }): Promise<void> {
    return this.#checkpoints.run(async () => {
      this.#assertTaking()
      const before = this.#checkpoint?.position ?? 0
      if (position < before || position > this.head()) {
        const range = `the last one is at ${before}, the journal ends at ${this.head()}`
        throw new Fault('invalid', `cannot store a checkpoint at ${position}: ${range}`)
      }
      const { hash, epoch } = await this.#linkAt(position)
      const write = (writes: readonly Write[]) => this.#lane.run(() => this.#write(writes))
      const link = { position, hash, epoch }
      this.#checkpoint = await storeCheckpoint(write, this.#checkpoint, { link, changed })
    })
  }

  async readCheckpoint() {
    const manifest = this.#checkpoint
    if (!manifest) return undefined
    const listed = async () => new Map(Object.entries(manifest.chunks))
    return { position: manifest.position, listed, chunks: this.#chunksOf(manifest) }
  }

  prune(upTo: Position): Promise<void> {
    return this.#checkpoints.run(async () => {
      const covered = this.#checkpoint?.position ?? 0
      if (upTo > covered) {
        const because = `the last checkpoint covers those up to ${covered}`
        throw new Fault('invalid', `cannot forget entries up to ${upTo}: ${because}`)
      }
      while (this.#anchor.position < upTo) {
        await this.#forgetUpTo(Math.min(upTo, this.#anchor.position + prunedMax))
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    await this.#lane.run(async () => {
      if (this.#state.state === 'closed') return
      // A write that fails now has told those who wait for it; closing goes on.
      while (this.#queue.size > 0) await this.#writeWaiting().catch(() => {})
      this.#state = { state: 'closed' }
      await this.#closeStore()
    })
  }

  #writeSoon(): void {
    if (this.#writeIsDue) return
    this.#writeIsDue = true
    const written = this.#lane.run(() => {
      this.#writeIsDue = false
      return this.#writeWaiting()
    })
    written.catch(thrown => {
      this.#writeIsDue = false
      this.#queue.rejectAll(thrown as Fault)
    })
  }

  /** Writes what waits, as far as one write holds it, and tells those who wait, in their order. */
  async #writeWaiting(): Promise<void> {
    const accepted: { readonly waiting: Waiting; readonly position: Position }[] = []
    const writes: Write[] = []
    let last = this.#last
    for (const waiting of this.#queue.take()) {
      if (waiting.epoch !== this.#epoch || waiting.epoch < 1) {
        waiting.reject(this.#stale(waiting.epoch))
        continue
      }
      const { link, bytes } = sealEntry(last, waiting)
      writes.push({ op: 'put', key: entryKey(link.position), bytes })
      accepted.push({ waiting, position: link.position })
      last = link
    }
    try {
      if (writes.length > 0) await this.#write(writes)
    } catch (thrown) {
      for (const { waiting } of accepted) waiting.reject(thrown as Fault)
      throw thrown
    }
    this.#last = last
    for (const { waiting, position } of accepted) waiting.resolve(position)
    if (this.#queue.size > 0) this.#writeSoon()
  }

  /** The only way to the store. In the lane only. */
  async #write(writes: readonly Write[]): Promise<void> {
    this.#assertTaking()
    const { writeMsMax, log } = this.#options
    const late = () => new Fault('deadline', `the disk has not answered for ${writeMsMax} ms`)
    try {
      await withDeadline(this.#store.write(writes), writeMsMax, late)
    } catch (cause) {
      const what = `cannot write to the journal in ${this.#path}`
      const fault = await diskRefused(what, this.#path, cause)
      this.#state = { state: 'failed', fault }
      const { message, reasons, next } = fault
      log.error('journal failed', { head: this.head(), because: message, reasons, next })
      throw fault
    }
  }

  async #reopen(): Promise<Position> {
    if (this.#state.state === 'closed') throw this.#closed()
    if (this.#state.state === 'taking') return this.head()
    const { log, openStore } = this.#options
    await this.#closeStore()
    const acknowledged = this.#last
    const opened = await openWhole(this.#path, { log, openStore, acknowledged })
    this.#store = opened.store
    this.#epoch = opened.epoch
    this.#last = opened.last
    this.#anchor = opened.anchor
    this.#checkpoint = opened.checkpoint
    this.#state = { state: 'taking' }
    const fields = { head: this.head(), acknowledged: acknowledged.position, epoch: this.#epoch }
    log.info('journal recovered', { journal: this.#path, ...fields })
    return this.head()
  }

  async #closeStore(): Promise<void> {
    const sentence = `cannot close the journal in ${this.#path}: the disk does not answer`
    const late = () => new Fault('unavailable', sentence)
    await withDeadline(Promise.resolve(this.#store[Symbol.asyncDispose]()), closeMsMax, late)
  }

  async #forgetUpTo(position: Position): Promise<void> {
    const anchor = await this.#linkAt(position)
    const writes: Write[] = [putRecord('anchor', anchor)]
    for (let at = this.#anchor.position + 1; at <= position; at++) {
      writes.push({ op: 'remove', key: entryKey(at) })
    }
    await this.#lane.run(() => this.#write(writes))
    this.#anchor = anchor
  }

  /** Finds hash and epoch of an entry that is still there, or of the last one that is not. */
  async #linkAt(position: Position): Promise<Link> {
    for (const { position: at, hash, epoch } of [
      this.#last,
      this.#anchor,
      this.#checkpoint ?? this.#anchor
    ]) {
      if (at === position) return { position, hash, epoch }
    }
    if (position < this.#anchor.position) {
      const gone = `entries up to ${this.#anchor.position} are forgotten`
      throw new Fault('not-found', `cannot read entry ${position} of the journal: ${gone}`)
    }
    const [bytes] = await this.#store.read([entryKey(position)])
    const entry = bytes && openEntry(bytes)
    if (!entry) throw this.#unreadable(`entry ${position} is ${bytes ? 'damaged' : 'missing'}`)
    return { position, hash: entry.hash, epoch: entry.epoch }
  }

  async *#chunksOf(manifest: Manifest) {
    try {
      yield* readChunks(this.#store, manifest)
    } catch (cause) {
      if (!isFault(cause, 'corrupt') || this.#checkpoint === manifest) throw cause
      const what = `cannot read on in the checkpoint at ${manifest.position}: there is a newer one`
      throw new Fault('conflict', what, { cause, next: ['read the newer one'] })
    }
  }

  #assertTaking(): void {
    if (this.#state.state === 'failed') throw this.#state.fault
    if (this.#state.state === 'closed') throw this.#closed()
  }

  #closed(): Fault {
    return new Fault('closed', `cannot use the journal in ${this.#path}: it is closed`)
  }

  #stale(epoch: Epoch): Fault {
    const what = `cannot append to the journal in epoch ${epoch}: it is held in ${this.#epoch}`
    return new Fault('stale', what)
  }

  #unreadable(because: string): Fault {
    return new Fault('corrupt', `cannot read the journal in ${this.#path}: ${because}`, {
      next: ['restart the controller: opening the journal verifies it and says what can be done']
    })
  }
}
