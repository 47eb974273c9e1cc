/**
 * A candidate's own copy of what the shared journal holds: the folded state at some position, in
 * chunks as those of a checkpoint, with the hash of the entry there. A candidate that starts again
 * loads it and reads only what was written since.
 *
 * It is a copy and no truth: what is damaged, or of another journal, is thrown away with a
 * sentence, and made anew from the journal's checkpoint.
 */
import { mkdir, rm } from 'node:fs/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { ChangedChunks, Entry, Position } from '../core/ports.ts'
import { readChunks, storeCheckpoint } from './journal/checkpoint.ts'
import type { Link } from './journal/entry-codec.ts'
import { openLevelStore } from './journal/level-store.ts'
import {
  chunksOf,
  formatOurs,
  type Manifest,
  putRecord,
  readRecords,
  removeRecord
} from './journal/records.ts'
import type { OpenStore, Store, Write } from './journal/store.ts'
import type { CheckpointPlace } from './keeper.ts'

/** What a replica is opened with. */
export type ReplicaOptions = {
  readonly log: Log
  /** Finds hash and epoch of the entry at a position; Fault `unavailable` when it cannot now. */
  readonly linkAt: (position: Position) => Promise<Link>
  /** Opens what the bytes are kept in: LevelDB, if left out. */
  readonly openStore?: OpenStore
}

/** Made by `open`; the folder is this process's alone as long as it is open. */
export class Replica implements CheckpointPlace, AsyncDisposable {
  readonly #folder: string
  readonly #options: ReplicaOptions
  #store: Store
  #manifest: Manifest | undefined

  private constructor(
    folder: string,
    options: ReplicaOptions,
    opened: { readonly store: Store; readonly manifest: Manifest | undefined }
  ) {
    this.#folder = folder
    this.#options = options
    this.#store = opened.store
    this.#manifest = opened.manifest
  }

  /** Opens the folder, which is made if there is none. Fault `locked`: another process has it. */
  static async open(folder: string, options: ReplicaOptions): Promise<Replica> {
    try {
      return new Replica(folder, options, await openWhole(folder, options))
    } catch (thrown) {
      if (isFault(thrown, 'locked')) throw inUse(folder, thrown)
      if (!isFault(thrown, 'storage') && !isFault(thrown, 'corrupt')) throw thrown
      options.log.warn('threw the replica away', { folder, because: sentence(thrown) })
      return new Replica(folder, options, await openAnew(folder, options))
    }
  }

  /** The entry up to which it has followed the journal; undefined: it is empty. */
  get link(): Link | undefined {
    return this.#manifest
  }

  async readCheckpoint() {
    const manifest = this.#manifest
    if (!manifest) return undefined
    const listed = async () => new Map(Object.entries(manifest.chunks))
    return { position: manifest.position, listed, chunks: readChunks(this.#store, manifest) }
  }

  async writeCheckpoint(checkpoint: {
    readonly position: Position
    readonly changed: ChangedChunks
  }): Promise<void> {
    const { position, changed } = checkpoint
    const { hash, epoch } = await this.#options.linkAt(position)
    const write = (writes: readonly Write[]): Promise<void> => this.#store.write(writes)
    const link = { position, hash, epoch }
    this.#manifest = await storeCheckpoint(write, this.#manifest, { link, changed })
  }

  /** There are none: what comes after it is in the journal. */
  async *entries(_after: Position): AsyncIterable<Entry> {}

  async prune(_upTo: Position): Promise<void> {}

  /** Throws all of it away: the next start begins with the journal's checkpoint. */
  async clear(because: string): Promise<void> {
    this.#options.log.warn('threw the replica away', { folder: this.#folder, because })
    await this.#store[Symbol.asyncDispose]()
    const { store, manifest } = await openAnew(this.#folder, this.#options)
    this.#store = store
    this.#manifest = manifest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}

/** Opens an empty one where there was another one. */
async function openAnew(folder: string, options: ReplicaOptions) {
  const { openStore } = options
  if (!openStore) {
    await rm(folder, { recursive: true, force: true })
    return await openWhole(folder, options)
  }
  const store = await openStore(folder, { create: true })
  for await (const page of store.range({ after: '', upTo: '\uffff' })) {
    await store.write(page.map(({ key }): Write => ({ op: 'remove', key })))
  }
  return { store, manifest: undefined }
}

async function openWhole(folder: string, { openStore }: ReplicaOptions) {
  if (!openStore) await mkdir(folder, { recursive: true, mode: 0o700 })
  const store = await (openStore ?? openLevelStore)(folder, { create: true })
  try {
    const { format, pending, checkpoint } = await readRecords(store)
    if (format && format.format !== formatOurs) {
      throw new Fault('corrupt', `its format is ${format.format}, ours is ${formatOurs}`)
    }
    if (!format) await store.write([putRecord('format', { format: formatOurs })])
    if (pending) await removeUnfinished(store, pending.serial, checkpoint)
    return { store, manifest: checkpoint }
  } catch (thrown) {
    await store[Symbol.asyncDispose]()
    throw thrown
  }
}

/** Removes the chunks of a checkpoint that was not finished. */
async function removeUnfinished(
  store: Store,
  serial: number,
  checkpoint: Manifest | undefined
): Promise<void> {
  if (serial > (checkpoint?.serial ?? 0)) {
    const from = chunksOf(serial)
    for await (const page of store.range({ after: from, upTo: `${from}\uffff` })) {
      await store.write(page.map(({ key }): Write => ({ op: 'remove', key })))
    }
  }
  await store.write([removeRecord('pending')])
}

const inUse = (folder: string, cause: unknown): Fault =>
  new Fault('locked', `cannot open the replica in ${folder}: another process has it open`, {
    cause,
    next: ['stop the other candidate, or give this one another state folder']
  })
