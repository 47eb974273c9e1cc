/**
 * Keeps the checkpoint: at start it fills the view from the last one and the entries after it;
 * later it writes the chunks that have changed, slice by slice so that the event loop stays free,
 * and lets the journal forget what the checkpoint covers.
 */
import { setImmediate as breathe } from 'node:timers/promises'
import type { Log } from '#shared/log.ts'
import {
  type ChunkIndex,
  type DirtyChunks,
  decodeChunk,
  emptyChunkIndex,
  encodeChunk,
  growToFit,
  noteKey,
  noteLoaded,
  noteStored,
  putBack,
  takeDirty
} from '../core/journal-chunks.ts'
import type { Entry, Journal, Position } from '../core/ports.ts'
import type { View } from '../core/view.ts'

/**
 * A checkpoint is written after so many commits, or a tenth as many as there are resources: in a
 * large cloud even few commits touch nearly every chunk.
 */
export const commitsPerCheckpoint = 2_000
/** Chunks that are encoded between two breaths of the event loop. */
const chunksPerSlice = 2
/** Keys that are noted between two of them. */
const keysPerSlice = 5_000

/** `load` comes first and once; `write` is for one caller at a time. */
export class Keeper {
  readonly #journal: Journal
  readonly #view: View
  readonly #log: Log
  readonly #index: ChunkIndex = emptyChunkIndex()
  #written: Position = 0
  #writing: Promise<void> | undefined

  constructor(options: { readonly journal: Journal; readonly view: View; readonly log: Log }) {
    this.#journal = options.journal
    this.#view = options.view
    this.#log = options.log
  }

  /** Fills the view with what the journal holds; tells each entry that no checkpoint covers. */
  async load(onEntry: (entry: Entry) => void = () => {}): Promise<void> {
    const startedAt = performance.now()
    const checkpoint = await this.#journal.readCheckpoint()
    if (checkpoint) {
      this.#written = checkpoint.position
      this.#view.indexes.at(checkpoint.position)
      for await (const { key: name, bytes } of checkpoint.chunks) {
        const { keys, values } = decodeChunk(bytes)
        for (const [at, key] of keys.entries()) this.#view.load(key, values[at])
        // The view may hold a value in its own way; were ours kept, there would be two of each.
        const chunk = { keys, values: keys.map(key => this.#view.valueOf(key)) }
        noteLoaded(this.#index, { name, chunk, bytes: bytes.length })
      }
      this.#view.loaded(checkpoint.position)
    }
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

  /** Commits that are not in the checkpoint yet. */
  get behind(): number {
    return this.#view.position - this.#written
  }

  /** Writes a checkpoint when it is due and none is being written. */
  writeIfDue(durable: () => Promise<void>): void {
    const due = Math.max(commitsPerCheckpoint, this.#view.indexes.count() / 10)
    if (this.#writing || this.behind < due) return
    this.#writing = this.write(durable)
      .catch(thrown => this.#log.warn('cannot write a checkpoint', { because: String(thrown) }))
      .finally(() => {
        this.#writing = undefined
      })
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
    try {
      await durable()
      await this.#journal.writeCheckpoint({ position, changed: encoded(taken, sizes) })
    } catch (thrown) {
      putBack(this.#index, taken)
      throw thrown
    }
    noteStored(this.#index, taken, sizes)
    this.#written = position
    await this.#journal.prune(position)
  }

  /** Notes what may be a great many keys; they are not of one moment. */
  async #noteSlowly(): Promise<void> {
    for (const [at, key] of this.#view.takeDirty().entries()) {
      noteKey(this.#index, key, this.#view.valueOf(key))
      if (at % keysPerSlice === keysPerSlice - 1) await breathe()
    }
  }

  #note(): void {
    for (const key of this.#view.takeDirty()) {
      noteKey(this.#index, key, this.#view.valueOf(key))
    }
  }

  /** Waits for a checkpoint that is being written. */
  async idle(): Promise<void> {
    await this.#writing
  }
}

/** Encodes chunk after chunk as the journal takes them, so that never all are in memory. */
async function* encoded(
  taken: DirtyChunks,
  sizes: Map<string, number>
): AsyncIterable<readonly [string, Uint8Array | undefined]> {
  for (const name of taken.gone) yield [name, undefined]
  for (const [at, { name, chunk }] of taken.chunks.entries()) {
    const bytes = encodeChunk(chunk)
    sizes.set(name, bytes.length)
    yield [name, bytes]
    if (at % chunksPerSlice === 0) await breathe()
  }
}
