import { createHash } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Commit } from '../../controller/core/commit.ts'
import type {
  ChangedChunks,
  Entry,
  JournalOpening,
  Position,
  SharedJournal
} from '../../controller/core/ports.ts'

/** What becomes of the next write: not made, or made although it is reported as a failure. */
export type WriteFate = 'refused' | 'unknown'

/**
 * The store behind fake journals: what survives a crash. Several journals may be open on it, like
 * several controllers on one ensemble; it has no clock and no randomness, and each write takes one
 * turn of the microtask queue, so that a simulation can replay it.
 */
export class FakeJournalDisk {
  entries: Entry[] = []
  /** Position of the last entry that was pruned. */
  prunedUpTo: Position = 0
  lastPruned: Entry | undefined
  epoch: Epoch = 0
  checkpoint: { position: Position; chunks: Map<string, Uint8Array> } | undefined
  cut: JournalOpening['cut']
  /** Which journal has raised the epoch last. */
  holder: FakeJournal | undefined
  #change = Promise.withResolvers<void>()
  #fate: WriteFate | undefined
  #isFull = false
  #copy:
    | Pick<FakeJournalDisk, 'entries' | 'prunedUpTo' | 'lastPruned' | 'epoch' | 'checkpoint'>
    | undefined
  #gate: Promise<void> = Promise.resolve()
  #openGate = () => {}

  head(): Position {
    return this.entries.at(-1)?.position ?? this.prunedUpTo
  }
  /** Opens a journal on what is stored; `mayLead` is asked in the moment that raises the epoch. */
  open(mayLead: () => boolean = () => true): FakeJournal {
    const opening = { head: this.head(), epoch: this.epoch, cut: this.cut }
    this.cut = undefined
    return new FakeJournal(this, { opening, mayLead })
  }
  /** Resolves with the next change that anybody makes. */
  changed(): Promise<void> {
    return this.#change.promise
  }
  /** The next write meets this fate, and after it the disk is full until `heal`. */
  failNext(fate: WriteFate): void {
    this.#fate = fate
  }
  heal(): void {
    this.#fate = undefined
    this.#isFull = false
  }
  get isFull(): boolean {
    return this.#isFull
  }
  /** Keeps writes waiting until `release`, so that a test can crash or cut in between. */
  hold(): void {
    this.#gate = new Promise(resolve => {
      this.#openGate = resolve
    })
  }
  release(): void {
    this.#openGate()
  }
  /** Keeps a copy of what is stored now, as an operator's backup does. */
  copy(): void {
    const { entries, prunedUpTo, lastPruned, epoch, checkpoint } = this
    this.#copy = { entries: [...entries], prunedUpTo, lastPruned, epoch, checkpoint }
  }
  /** Puts the copy in the place of what is stored. */
  putBack(): void {
    if (this.#copy) Object.assign(this, this.#copy, { entries: [...this.#copy.entries] })
  }
  /** Tears the last entries, as a dying disk would; the next opening cuts them off. */
  corruptTail(entries: number): void {
    this.entries = this.entries.slice(0, -entries)
    this.cut = { entries, because: `entry ${this.head() + 1} is damaged: its checksum differs` }
  }

  /** Makes a change, or not, as its fate wants. */
  async write(change: () => void): Promise<void> {
    await this.#gate
    const fate = this.#fate
    this.#fate = undefined
    if (fate !== undefined) this.#isFull = true
    else if (this.#isFull) throw noSpace()
    if (fate === 'refused') throw noSpace()
    change()
    this.#change.resolve()
    this.#change = Promise.withResolvers()
    if (fate === 'unknown') throw unknownOutcome()
  }

  /** Entries after a position as they are stored; `corrupt` when one is missing in between. */
  following(after: Position): readonly Entry[] {
    if (after < this.prunedUpTo) {
      const gone = `entries up to ${this.prunedUpTo} are forgotten`
      throw new Fault('not-found', `cannot read entry ${after} of the journal: ${gone}`)
    }
    const entries = this.entries.filter(({ position }) => position > after)
    for (const [at, { position }] of entries.entries()) {
      if (position === after + 1 + at) continue
      const gap = `entry ${after + 1 + at} is missing although ${position} is there`
      throw new Fault('corrupt', `cannot read the journal: ${gap}`)
    }
    return entries
  }
}

const unknownOutcome = (): Fault =>
  new Fault('unavailable', 'cannot write to the journal: the outcome is unknown')
const unreachable = (): Fault =>
  new Fault('unavailable', 'cannot reach the journal: the line is cut')

const noSpace = (): Fault =>
  new Fault('unavailable', 'cannot write to the journal: 0 of 64 MiB are free', {
    next: ['free some space; nothing else is needed']
  })

type Waiting = {
  readonly commit: Commit
  readonly epoch: Epoch
  readonly resolve: (position: Position) => void
  readonly reject: (fault: Fault) => void
}

/** A journal in memory, under the same contract as the real ones. */
export class FakeJournal implements SharedJournal {
  readonly opening: JournalOpening
  readonly #disk: FakeJournalDisk
  readonly #mayLead: () => boolean
  #line: 'whole' | 'loses-reply' | 'cut' = 'whole'
  #hasHeld = false
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #failure: Fault | undefined
  #isClosed = false
  #head: Position

  constructor(
    disk: FakeJournalDisk,
    given: { readonly opening: JournalOpening; readonly mayLead: () => boolean }
  ) {
    this.#disk = disk
    this.opening = given.opening
    this.#mayLead = given.mayLead
    this.#head = given.opening.head
  }

  /** From now on this journal alone can neither read nor write, until `mend`. */
  cut(): void {
    this.#line = 'cut'
  }
  /** The next write of this journal is made, but it is told that the outcome is unknown. */
  loseNextReply(): void {
    this.#line = 'loses-reply'
  }
  mend(): void {
    this.#line = 'whole'
  }

  head(): Position {
    return this.#head
  }

  async raiseEpoch(above: Epoch = 0): Promise<Epoch> {
    this.#assertTaking()
    let epoch: Epoch | undefined
    await this.#write(() => {
      if (!this.#mayLead() || (this.#hasHeld && this.#disk.holder !== this)) return
      epoch = Math.max(this.#disk.epoch, above) + 1
      this.#disk.epoch = epoch
      this.#disk.holder = this
      this.#hasHeld = true
    })
    if (epoch === undefined) throw deposed(this.#disk.epoch)
    this.#head = this.#disk.head()
    return epoch
  }

  append(commit: Commit, { epoch }: { readonly epoch: Epoch }): Promise<Position> {
    return new Promise((resolve, reject) => {
      this.#assertTaking()
      this.#waiting.push({ commit: structuredClone(commit), epoch, resolve, reject })
      this.#writing ??= this.#writeWaiting()
    })
  }

  async *entries(after: Position): AsyncIterable<Entry> {
    if (this.#line === 'cut') throw unreachable()
    const upTo = this.#head
    for (const entry of this.#disk.following(after)) {
      if (entry.position <= upTo) yield structuredClone(entry)
    }
  }

  async *tail(after: Position, signal: AbortSignal): AsyncIterable<Entry> {
    const aborted = new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    let last = after
    while (!signal.aborted && !this.#isClosed) {
      if (this.#line === 'cut') throw unreachable()
      const changed = this.#disk.changed()
      for (const entry of this.#disk.following(last)) {
        if (signal.aborted || this.#isClosed) return
        last = entry.position
        // Who only follows knows the head from what it reads.
        if (!this.#hasHeld) this.#head = Math.max(this.#head, last)
        yield structuredClone(entry)
      }
      await Promise.race([changed, aborted])
    }
  }

  async recover(): Promise<Position> {
    if (this.#isClosed) throw closed()
    if (this.#line === 'cut') throw unreachable()
    if (this.#failure && this.#disk.isFull) throw noSpace()
    this.#failure = undefined
    this.#head = this.#disk.head()
    return this.#head
  }

  async writeCheckpoint({
    position,
    changed
  }: {
    readonly position: Position
    readonly changed: ChangedChunks
  }): Promise<void> {
    this.#assertTaking()
    const before = this.#disk.checkpoint?.position ?? 0
    if (position < before || position > this.#head) {
      throw new Fault('invalid', `cannot store a checkpoint at ${position}`)
    }
    const chunks = new Map(this.#disk.checkpoint?.chunks)
    for await (const [key, bytes] of changed) {
      if (bytes) chunks.set(key, Uint8Array.from(bytes))
      else chunks.delete(key)
    }
    await this.#write(() => {
      this.#disk.checkpoint = { position, chunks }
    })
  }

  async readCheckpoint() {
    const { checkpoint } = this.#disk
    if (!checkpoint) return undefined
    async function* chunks() {
      for (const [key, bytes] of checkpoint!.chunks) yield { key, bytes }
    }
    const listed = async () =>
      new Map(
        [...checkpoint.chunks].map(([key, bytes]) => {
          const sha256 = createHash('sha256').update(bytes).digest('hex')
          return [key, { bytes: bytes.length, sha256 }] as const
        })
      )
    return { position: checkpoint.position, listed, chunks: chunks() }
  }

  async prune(upTo: Position): Promise<void> {
    this.#assertTaking()
    if (upTo > (this.#disk.checkpoint?.position ?? 0)) {
      throw new Fault('invalid', `cannot forget entries up to ${upTo}: no checkpoint covers them`)
    }
    await this.#write(() => {
      const [gone, kept] = [
        this.#disk.entries.filter(({ position }) => position <= upTo),
        this.#disk.entries.filter(({ position }) => position > upTo)
      ]
      this.#disk.lastPruned = gone.at(-1) ?? this.#disk.lastPruned
      this.#disk.prunedUpTo = Math.max(upTo, this.#disk.prunedUpTo)
      this.#disk.entries = kept
    })
  }

  /** Ends like a process that is killed: what was not written is lost, nobody is told. */
  crash(): void {
    this.#isClosed = true
    this.#waiting = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await this.#writing
    this.#isClosed = true
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting
      this.#waiting = []
      await this.#writeTogether(taken)
    }
    // At once, not when the promise has settled: until then another append could come and wait.
    this.#writing = undefined
  }

  async #writeTogether(taken: readonly Waiting[]): Promise<void> {
    const refused: (() => void)[] = []
    const written: (() => void)[] = []
    try {
      await this.#write(() => {
        for (const { commit, epoch, resolve, reject } of taken) {
          if (epoch !== this.#disk.epoch || epoch < 1) {
            refused.push(() => reject(stale(epoch, this.#disk.epoch)))
            continue
          }
          const entry = sealed(this.#disk.entries.at(-1) ?? this.#disk.lastPruned, commit, epoch)
          this.#disk.entries.push(entry)
          written.push(() => resolve(entry.position))
        }
      })
    } catch (thrown) {
      for (const { reject } of [...taken, ...this.#waiting]) reject(thrown as Fault)
      this.#waiting = []
      return
    }
    if (this.#isClosed) return
    if (written.length > 0) this.#head = this.#disk.head()
    for (const tell of [...refused, ...written]) tell()
  }

  async #write(change: () => void): Promise<void> {
    try {
      if (this.#line === 'cut') throw unreachable()
      await this.#disk.write(() => {
        if (!this.#isClosed) change()
      })
      // What `cut` does while the write is under way loses its reply as well.
      const line: string = this.#line
      if (line === 'loses-reply') this.#line = 'whole'
      if (line !== 'whole') throw unknownOutcome()
    } catch (thrown) {
      this.#failure = thrown as Fault
      throw thrown
    }
  }

  #assertTaking(): void {
    if (this.#isClosed) throw closed()
    if (this.#failure) throw this.#failure
  }
}

function sealed(before: Entry | undefined, commit: Commit, epoch: Epoch): Entry {
  const position = (before?.position ?? 0) + 1
  const hash = createHash('sha256')
    .update(`${before?.hash ?? ''} ${position} ${epoch} ${JSON.stringify(commit)}`)
    .digest('hex')
  return { position, epoch, commit, hash }
}

const deposed = (held: Epoch): Fault =>
  new Fault('stale', `cannot raise the epoch of the journal: another one holds it in ${held}`)
const closed = (): Fault => new Fault('closed', 'cannot use the journal: it is closed')
const stale = (epoch: Epoch, held: Epoch): Fault =>
  new Fault('stale', `cannot append to the journal in epoch ${epoch}: it is held in ${held}`)
