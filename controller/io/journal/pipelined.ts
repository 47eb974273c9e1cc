/**
 * The journal that several candidates have open at once, before a store that checks the epoch.
 *
 * Commits that come in together are written together (group commit), and several writes are on
 * their way at once, each made to follow the one before it. So when one is refused, all after it
 * are, whoever sent them.
 *
 *     taking ──a write fails──► failed ──recover()──► taking
 *        └──────────────────────────┴──dispose──► closed
 *
 * After a failed write nobody knows what has happened to it and to those behind it: they may be
 * under way still. So nothing more is taken until `recover` has fenced them off and has read where
 * the journal stands: what was written although it failed is there then, the rest never will be.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Commit } from '../../core/commit.ts'
import type {
  ChangedChunks,
  Entry,
  JournalOpening,
  Position,
  SharedJournal
} from '../../core/ports.ts'
import { AppendQueue, type Waiting } from './append-queue.ts'
import { decodeCommit, encodeCommit, type Link, sealEntry, type WholeEntry } from './entry-codec.ts'
import { Lane } from './lane.ts'
import type { SharedStore, Standing } from './shared-store.ts'
import { VerifiedReading } from './verified-reading.ts'

/** Opens the journal that a store keeps; the store is disposed of with it. */
export async function openPipelinedJournal(
  store: SharedStore,
  options: { readonly log: Log }
): Promise<SharedJournal> {
  const { log } = options
  const standing = await store.look()
  const { epoch, last } = standing
  log.info('journal opened', { journal: store.name, head: last.position, epoch })
  return new PipelinedJournal({ store, standing, log })
}

type State =
  | { readonly state: 'taking' }
  | { readonly state: 'failed'; readonly fault: Fault }
  | { readonly state: 'closed' }

type Accepted = { readonly waiting: Waiting; readonly position: Position }

class PipelinedJournal implements SharedJournal {
  readonly opening: JournalOpening
  readonly #store: SharedStore
  readonly #log: Log
  readonly #queue = new AppendQueue()
  readonly #epochs = new Lane()
  readonly #checkpoints = new Lane()
  readonly #reading: VerifiedReading
  readonly #flights = new Set<Promise<void>>()
  #state: State = { state: 'taking' }
  /** The epoch that we hold, as far as we know. */
  #held: Epoch | undefined
  #last: Link
  /** The last entry that is on its way. */
  #sent: Link
  #bytesSent = 0
  #sendIsDue = false
  /** The epoch is being raised: what waits goes on waiting. */
  #isRaising = false
  #closing = false
  #recovery: Promise<Position> | undefined

  constructor(given: {
    readonly store: SharedStore
    readonly standing: Standing
    readonly log: Log
  }) {
    const { epoch, last, anchor } = given.standing
    this.opening = { head: last.position, epoch, cut: undefined }
    this.#store = given.store
    this.#log = given.log
    this.#last = last
    this.#sent = last
    this.#reading = new VerifiedReading(given.store, anchor)
  }

  head(): Position {
    return this.#last.position
  }

  raiseEpoch(above?: Epoch): Promise<Epoch> {
    return this.#epochs.run(async () => {
      this.#assertTaking()
      this.#isRaising = true
      try {
        await this.#landed()
        this.#assertTaking()
        const standing = await this.#store.raise(above)
        this.#stand(standing, standing.epoch)
        return standing.epoch
      } catch (thrown) {
        if (isFault(thrown, 'stale')) this.#held = undefined
        throw this.#failed(thrown)
      } finally {
        this.#isRaising = false
        this.#sendSoon()
      }
    })
  }

  async append(commit: Commit, { epoch }: { readonly epoch: Epoch }): Promise<Position> {
    if (this.#closing) throw this.#closed()
    this.#assertTaking()
    const position = this.#queue.add(encodeCommit(commit), epoch)
    this.#sendSoon()
    return position
  }

  async *entries(after: Position): AsyncIterable<Entry> {
    const last = this.#last
    if (after >= last.position) return
    const from = await this.#reading.linkAt(after, last)
    for await (const entry of this.#reading.read(from, last)) yield decoded(entry)
  }

  async *tail(after: Position, signal: AbortSignal): AsyncIterable<Entry> {
    let last: Link | undefined
    try {
      for await (const head of this.#store.heads(signal)) {
        if (head.position <= (last?.position ?? after)) continue
        last ??= await this.#reading.linkAt(after, this.#last)
        for await (const entry of this.#reading.read(last, head)) {
          if (signal.aborted) return
          last = entry
          this.#sawHead(entry)
          yield decoded(entry)
        }
      }
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }

  recover(): Promise<Position> {
    this.#recovery ??= this.#recover().finally(() => {
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
      try {
        const before = (await this.#store.readCheckpoint())?.link.position ?? 0
        if (position < before || position > this.head()) {
          const range = `the last one is at ${before}, the journal ends at ${this.head()}`
          throw new Fault('invalid', `cannot store a checkpoint at ${position}: ${range}`)
        }
        const link = await this.#reading.linkAt(position, this.#last)
        await this.#store.writeCheckpoint({ link, changed })
      } catch (thrown) {
        throw this.#failed(thrown)
      }
    })
  }

  async readCheckpoint() {
    const checkpoint = await this.#store.readCheckpoint()
    if (!checkpoint) return undefined
    const { link, listed, chunks } = checkpoint
    return { position: link.position, listed, chunks }
  }

  prune(upTo: Position): Promise<void> {
    return this.#checkpoints.run(async () => {
      this.#assertTaking()
      try {
        const covered = (await this.#store.readCheckpoint())?.link.position ?? 0
        if (upTo > covered) {
          const because = `the last checkpoint covers those up to ${covered}`
          throw new Fault('invalid', `cannot forget entries up to ${upTo}: ${because}`)
        }
        if (upTo <= this.#reading.anchor.position) return
        const anchor = await this.#reading.linkAt(upTo, this.#last)
        await this.#store.prune(anchor)
        this.#reading.anchor = anchor
      } catch (thrown) {
        throw this.#failed(thrown)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    while (this.#state.state === 'taking' && this.#queue.size + this.#flights.size > 0) {
      await this.#landed()
      await turn()
    }
    if (this.#state.state === 'closed') return
    this.#state = { state: 'closed' }
    this.#queue.rejectAll(this.#closed())
    await this.#landed()
    await this.#store[Symbol.asyncDispose]()
  }

  /**
   * Sends a little later, so that what is appended meanwhile goes along: while nothing is on its
   * way that is as soon as the caller waits, else in the next turn.
   */
  #sendSoon(): void {
    if (this.#sendIsDue || this.#queue.size === 0) return
    this.#sendIsDue = true
    const send = () => {
      this.#sendIsDue = false
      this.#sendWaiting()
    }
    if (this.#flights.size === 0) queueMicrotask(send)
    else setImmediate(send)
  }

  #sendWaiting(): void {
    const { writes, bytes } = this.#store.bounds
    while (this.#queue.size > 0 && this.#state.state === 'taking' && !this.#isRaising) {
      if (this.#flights.size >= writes || this.#bytesSent >= bytes) return
      this.#sendBatch()
    }
  }

  #sendBatch(): void {
    const accepted: Accepted[] = []
    const entries: Uint8Array[] = []
    const before = this.#sent
    let size = 0
    for (const waiting of this.#queue.take(this.#store.bounds.writeBytes)) {
      if (waiting.epoch !== this.#held) {
        waiting.reject(this.#stale(waiting.epoch))
        continue
      }
      const { link, bytes } = sealEntry(this.#sent, waiting)
      this.#sent = link
      size += bytes.length
      entries.push(bytes)
      accepted.push({ waiting, position: link.position })
    }
    if (entries.length === 0) return
    const last = this.#sent
    this.#bytesSent += size
    const flight = this.#store
      .write({ before, entries, last })
      .then(
        () => this.#landedWell(accepted, last),
        thrown => reject(accepted, this.#fail(thrown))
      )
      .finally(() => {
        this.#flights.delete(flight)
        this.#bytesSent -= size
        this.#sendSoon()
      })
    this.#flights.add(flight)
  }

  #landedWell(accepted: readonly Accepted[], last: Link): void {
    // One before it has failed: whoever waits is told so, and `recover` finds this one.
    if (this.#state.state === 'failed') {
      reject(accepted, this.#state.fault)
      return
    }
    this.#last = last
    for (const { waiting, position } of accepted) waiting.resolve(position)
  }

  /** Resolves when nothing is on its way any more. */
  async #landed(): Promise<void> {
    while (this.#flights.size > 0) await Promise.all(this.#flights)
  }

  /** Takes down that the store has failed, if that is what was thrown; gives what to throw on. */
  #failed(thrown: unknown): unknown {
    if (this.#state.state === 'failed') return this.#state.fault
    return thrown instanceof Fault && failures.has(thrown.code) ? this.#fail(thrown) : thrown
  }

  /** Takes nothing more until `recover`; gives the Fault that everyone gets until then. */
  #fail(thrown: unknown): Fault {
    if (this.#state.state === 'failed') return this.#state.fault
    const what = `cannot write to ${this.#store.name}: ${sentence(thrown)}`
    const fault = isFault(thrown, 'stale')
      ? thrown
      : new Fault('unavailable', what, { cause: thrown })
    if (this.#state.state === 'closed') return fault
    this.#state = { state: 'failed', fault }
    this.#queue.rejectAll(fault)
    const because = sentence(thrown)
    this.#log.error('journal failed', { journal: this.#store.name, head: this.head(), because })
    return fault
  }

  async #recover(): Promise<Position> {
    if (this.#state.state === 'closed') throw this.#closed()
    if (this.#state.state === 'taking') return this.head()
    await this.#landed()
    const acknowledged = this.#last
    try {
      const { holds, ...standing } = await this.#store.fence()
      await this.#reading.assertHolds(acknowledged, standing)
      this.#stand(standing, holds ? standing.epoch : undefined)
    } catch (thrown) {
      if (isFault(thrown, 'corrupt') || isFault(thrown, 'unavailable')) throw thrown
      throw new Fault('unavailable', `cannot recover ${this.#store.name}`, { cause: thrown })
    }
    if (this.#state.state === 'failed') this.#state = { state: 'taking' }
    const fields = { head: this.head(), acknowledged: acknowledged.position, holds: this.#held }
    this.#log.info('journal recovered', { journal: this.#store.name, ...fields })
    return this.head()
  }

  #stand({ last, anchor }: Standing, held: Epoch | undefined): void {
    this.#held = held
    this.#last = last
    this.#sent = last
    this.#reading.anchor = anchor
  }

  /** Who only follows knows the journal's head from what it reads. */
  #sawHead({ position, hash, epoch }: Link): void {
    if (this.#held !== undefined || position <= this.#last.position) return
    if (this.#state.state !== 'taking') return
    this.#last = { position, hash, epoch }
    this.#sent = this.#last
  }

  #assertTaking(): void {
    if (this.#state.state === 'failed') throw this.#state.fault
    if (this.#state.state === 'closed') throw this.#closed()
  }

  #closed(): Fault {
    return new Fault('closed', `cannot use ${this.#store.name}: it is closed`)
  }

  #stale(epoch: Epoch): Fault {
    const held = this.#held === undefined ? 'we do not hold it' : `we hold it in ${this.#held}`
    return new Fault('stale', `cannot append to ${this.#store.name} in epoch ${epoch}: ${held}`)
  }
}

/** What a store throws when it cannot be relied on any more; all else leaves it as it is. */
const failures: ReadonlySet<string> = new Set(['unavailable', 'closed', 'stale', 'deadline'])

function reject(accepted: readonly Accepted[], thrown: unknown): void {
  for (const { waiting } of accepted) waiting.reject(thrown as Fault)
}

const decoded = (entry: WholeEntry): Entry => ({
  position: entry.position,
  epoch: entry.epoch,
  hash: entry.hash,
  commit: decodeCommit(entry)
})
