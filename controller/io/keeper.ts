/**
 * Keeps the checkpoint: at start it fills the view from the last one and the entries after it;
 * later it writes the chunks that have changed, slice by slice so that the event loop stays free,
 * and lets the journal forget what the checkpoint covers.
 */
import { setImmediate as breathe } from 'node:timers/promises'
import type { Log } from '#shared/log.ts'
import {
  type ChunkIndex,
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
import type { Journal, Position } from '../core/ports.ts'
import type { View } from '../core/view.ts'

/** A checkpoint is written after so many commits. */
export const commitsPerCheckpoint = 2_000
/** Chunks that are encoded between two breaths of the event loop. */
const chunksPerSlice = 2

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

  /** Fills the view with what the journal holds. */
  async load(): Promise<void> {
    const startedAt = performance.now()
    const checkpoint = await this.#journal.readCheckpoint()
    if (checkpoint) {
      this.#written = checkpoint.position
      this.#view.indexes.at(checkpoint.position)
      for await (const { key: name, bytes } of checkpoint.chunks) {
        const { keys, values } = decodeChunk(bytes)
        noteLoaded(this.#index, { name, keys, bytes: bytes.length })
        for (const [at, key] of keys.entries()) this.#view.load(key, values[at])
      }
      this.#view.loaded(checkpoint.position)
    }
    let entries = 0
    for await (const { position, commit } of this.#journal.entries(this.#written)) {
      this.#view.fold({ type: 'commit', position, commit })
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
    if (this.#writing || this.behind < commitsPerCheckpoint) return
    this.#writing = this.write(durable)
      .catch(thrown => this.#log.warn('cannot write a checkpoint', { because: String(thrown) }))
      .finally(() => {
        this.#writing = undefined
      })
  }

  /** Writes what has changed since the last checkpoint; `durable` says that the view is recorded. */
  async write(durable: () => Promise<void>): Promise<void> {
    this.#note()
    for (const _ of growToFit(this.#index)) await breathe()
    this.#note()
    // From here to the end of takeDirty it is one moment: the values are those of the position.
    const position = this.#view.position
    const taken = takeDirty(this.#index, key => this.#view.valueOf(key))
    try {
      const changed = new Map<string, Uint8Array | undefined>()
      for (const name of taken.gone) changed.set(name, undefined)
      for (const [at, { name, chunk }] of taken.chunks.entries()) {
        changed.set(name, encodeChunk(chunk))
        if (at % chunksPerSlice === 0) await breathe()
      }
      await durable()
      await this.#journal.writeCheckpoint({ position, changed })
      const sizes = [...changed].map(([name, bytes]) => [name, bytes?.length ?? 0] as const)
      noteStored(this.#index, taken, new Map(sizes))
      this.#written = position
      await this.#journal.prune(position)
    } catch (thrown) {
      putBack(this.#index, taken)
      throw thrown
    }
  }

  #note(): void {
    for (const key of this.#view.takeDirty()) {
      noteKey(this.#index, key, this.#view.valueOf(key) !== undefined)
    }
  }

  /** Waits for a checkpoint that is being written. */
  async idle(): Promise<void> {
    await this.#writing
  }
}
