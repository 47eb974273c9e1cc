/**
 * Keeps the checkpoint: at start it fills the view from the last one and the entries after it;
 * later it writes the chunks that have changed, slice by slice so that the event loop stays free,
 * and lets the journal forget what the checkpoint covers.
 */
import { hash as digest } from 'node:crypto'
import { setImmediate as breathe } from 'node:timers/promises'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import {
  type Chunk,
  type ChunkIndex,
  chunkIndexAs,
  type DirtyChunks,
  decodeChunk,
  emptyChunkIndex,
  encodeChunk,
  growToFit,
  noteKey,
  noteListed,
  noteLoaded,
  noteStored,
  putBack,
  takeDirty
} from '../core/journal-chunks.ts'
import type { Entry, Journal, ListedChunk, Position } from '../core/ports.ts'
import type { View } from '../core/view.ts'
import type { KeyTap } from './key-taps.ts'

/**
 * A checkpoint is written after so many commits, or a tenth as many as there are resources: in a
 * large cloud even few commits touch nearly every chunk.
 */
export const commitsPerCheckpoint = 2_000
/** Chunks that are encoded between two breaths of the event loop. */
const chunksPerSlice = 2
/** Keys that are noted between two of them. */
const keysPerSlice = 5_000

/** Where checkpoints are kept: a journal, or a candidate's own copy of what it holds. */
export type CheckpointPlace = Pick<
  Journal,
  'readCheckpoint' | 'writeCheckpoint' | 'entries' | 'prune'
>

/** What a keeper stands on. */
export type KeeperOptions = {
  readonly journal: CheckpointPlace
  readonly view: View
  readonly log: Log
  /** Gives the keys that have changed since it was last asked; the view's own when left out. */
  readonly changed?: KeyTap
  /** Writes so many times more often than every `commitsPerCheckpoint` commits; 1 if left out. */
  readonly pace?: number
  /** Writes at least so long after a commit, however few there were; left out: it waits. */
  readonly everyMs?: Ms
  /** How many entries before the checkpoint stay, as a share of what is due; 0 if left out. */
  readonly dueKept?: number
}

/** `load` or `adopt` comes first and once; `write` is for one caller at a time. */
export class Keeper {
  readonly #journal: CheckpointPlace
  readonly #view: View
  readonly #log: Log
  readonly #changed: KeyTap
  readonly #pace: number
  readonly #everyMs: Ms
  readonly #dueKept: number
  #index: ChunkIndex = emptyChunkIndex()
  /** What the place holds of others: a chunk that would be the same is not written. */
  #listed: ReadonlyMap<string, ListedChunk> | undefined
  #written: Position = 0
  /** The next checkpoint is due whatever has been committed since. */
  #isDueSoon = false
  /** Since when something is not in the checkpoint; undefined: all is. */
  #behindSince: Ms | undefined
  #writing: Promise<void> | undefined

  constructor(options: KeeperOptions) {
    const { journal, view, log, changed, pace, everyMs, dueKept } = options
    this.#journal = journal
    this.#view = view
    this.#log = log
    this.#changed = changed ?? (() => view.takeDirty())
    this.#pace = pace ?? 1
    this.#everyMs = everyMs ?? Number.POSITIVE_INFINITY
    this.#dueKept = dueKept ?? 0
  }

  /** Fills the view with what the journal holds; tells each entry that no checkpoint covers. */
  async load(onEntry: (entry: Entry) => void = () => {}): Promise<void> {
    const startedAt = performance.now()
    const position = await loadCheckpoint(this.#journal, this.#view, (name, chunk, bytes) =>
      noteLoaded(this.#index, { name, chunk, bytes })
    )
    this.#written = position ?? 0
    let entries = 0
    for await (const entry of this.#journal.entries(this.#written)) {
      const { position, commit } = entry
      this.#view.fold({ type: 'commit', position, commit })
      onEntry(entry)
      entries += 1
    }
    this.#log.info('read the journal', {
      checkpoint: this.#written,
      entries,
      resources: this.#view.indexes.count(),
      durationMs: Math.round(performance.now() - startedAt)
    })
  }

  /**
   * Takes a place over whose checkpoint others have written, and for a view that was filled from
   * elsewhere: the next checkpoint holds all of it, and of theirs only the chunks that are as ours.
   * `soon`: it is due at once, since the place holds no entries that could be read instead.
   */
  async adopt({ soon = false }: { readonly soon?: boolean } = {}): Promise<void> {
    const checkpoint = await this.#journal.readCheckpoint()
    const listed = await checkpoint?.listed()
    const [first] = listed?.keys() ?? []
    this.#index = first === undefined ? emptyChunkIndex() : chunkIndexAs(first)
    this.#written = checkpoint?.position ?? 0
    this.#isDueSoon = soon
    let noted = 0
    for (const key of this.#view.keys()) {
      noteKey(this.#index, key, this.#view.valueOf(key))
      noted += 1
      if (noted % keysPerSlice === 0) await breathe()
    }
    const sizes = new Map([...(listed ?? [])].map(([name, { bytes }]) => [name, bytes]))
    noteListed(this.#index, sizes)
    this.#listed = listed
  }

  /** Commits that are not in the checkpoint yet. */
  get behind(): number {
    return this.#view.position - this.#written
  }

  /** Writes a checkpoint when it is due and none is being written; `now` is monotonic. */
  writeIfDue(now: Ms, durable: () => Promise<void>): void {
    this.#behindSince = this.behind === 0 ? undefined : (this.#behindSince ?? now)
    const isOld = now - (this.#behindSince ?? now) >= this.#everyMs
    const isDue = this.#isDueSoon || isOld || this.behind >= this.#due() / this.#pace
    if (this.#writing || !isDue) return
    this.#behindSince = undefined
    this.#writing = this.write(durable)
      .catch(thrown => this.#log.warn('cannot write a checkpoint', { because: String(thrown) }))
      .finally(() => {
        this.#writing = undefined
      })
  }

  #due(): number {
    return Math.max(commitsPerCheckpoint, this.#view.indexes.count() / 10)
  }

  /** Writes what has changed since the last checkpoint; `durable`: the view is recorded. */
  async write(durable: () => Promise<void>): Promise<void> {
    await this.#noteSlowly()
    for (const _ of growToFit(this.#index)) await breathe()
    this.#note()
    // With the last note it is one moment: what is taken is the view at this position.
    const position = this.#view.position
    const taken = takeDirty(this.#index)
    const sizes = new Map<string, number>()
    const listed = this.#listed
    // A write that fails may have happened: what the place holds then is not known.
    this.#listed = undefined
    try {
      await durable()
      const changed = encoded(taken, { sizes, listed })
      await this.#journal.writeCheckpoint({ position, changed })
    } catch (thrown) {
      putBack(this.#index, taken)
      throw thrown
    }
    noteStored(this.#index, taken, sizes)
    this.#written = position
    this.#isDueSoon = false
    const kept = Math.ceil(this.#due() * this.#dueKept)
    if (position > kept) await this.#journal.prune(position - kept)
  }

  /** Notes what may be a great many keys; they are not of one moment. */
  async #noteSlowly(): Promise<void> {
    for (const [at, key] of this.#changed().entries()) {
      noteKey(this.#index, key, this.#view.valueOf(key))
      if (at % keysPerSlice === keysPerSlice - 1) await breathe()
    }
  }

  #note(): void {
    for (const key of this.#changed()) {
      noteKey(this.#index, key, this.#view.valueOf(key))
    }
  }

  /** Waits for a checkpoint that is being written. */
  async idle(): Promise<void> {
    await this.#writing
  }
}

/** Fills a view with the checkpoint of a place; gives its position, undefined: there is none. */
export async function loadCheckpoint(
  place: Pick<Journal, 'readCheckpoint'>,
  view: View,
  onChunk: (name: string, chunk: Chunk, bytes: number) => void = () => {}
): Promise<Position | undefined> {
  const checkpoint = await place.readCheckpoint()
  if (!checkpoint) return undefined
  view.indexes.at(checkpoint.position)
  for await (const { key: name, bytes } of checkpoint.chunks) {
    const { keys, values } = decodeChunk(bytes)
    // The view may hold a value in its own way; were ours kept, there would be two of each.
    const kept = keys.map((key, at) => view.load(key, values[at]))
    onChunk(name, { keys, values: kept }, bytes.length)
  }
  view.loaded(checkpoint.position)
  return checkpoint.position
}

/** Encodes chunk after chunk as the journal takes them, so that never all are in memory. */
async function* encoded(
  taken: DirtyChunks,
  known: {
    /** Takes the bytes of each chunk. */
    readonly sizes: Map<string, number>
    readonly listed: ReadonlyMap<string, ListedChunk> | undefined
  }
): AsyncIterable<readonly [string, Uint8Array | undefined]> {
  for (const name of taken.gone) yield [name, undefined]
  for (const [at, { name, chunk }] of taken.chunks.entries()) {
    const bytes = encodeChunk(chunk)
    known.sizes.set(name, bytes.length)
    const there = known.listed?.get(name)
    if (!there || there.sha256 !== digest('sha256', bytes)) yield [name, bytes]
    if (at % chunksPerSlice === 0) await breathe()
  }
}
