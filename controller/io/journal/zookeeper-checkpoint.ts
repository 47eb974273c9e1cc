/**
 * The checkpoint in the ensemble. Chunks are cut into pieces that a transaction can take, under the
 * serial of the checkpoint that wrote them, and are never overwritten:
 *
 *     /remuda/checkpoint                 {serial, position, hash, epoch, listing}
 *     /remuda/checkpoint/SERIAL.N/PIECE  4096 pieces to a folder, numbered through
 *
 * The listing says which pieces each chunk has; it is stored as a chunk itself, for it may be long.
 * A new checkpoint first removes what the last one does not list, then writes what has changed and
 * a new listing, and then one transaction switches the manifest. So what was replaced stays for one
 * checkpoint more, for those who are reading it, and what a broken-off one has left goes with it.
 */
import { hash as digest } from 'node:crypto'
import { Fault, isFault } from '#shared/fault.ts'
import type { Node, Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { ChangedChunks } from '../../core/ports.ts'
import { chunkBytesMax } from './checkpoint.ts'
import type { Link } from './entry-codec.ts'
import type { StoredCheckpoint } from './shared-store.ts'
import { type ListedPieces, PieceWriter, piecesOf } from './zookeeper-pieces.ts'
import {
  checkpointPath,
  decodeLink,
  decodeRecord,
  encodeRecord,
  missing
} from './zookeeper-znodes.ts'

/** Chunks that are read at once. */
const chunksRead = 8
/** Znodes that are removed in one transaction. */
const removedMax = 500

type Listing = Readonly<Record<string, ListedPieces>>
type Manifest = { readonly serial: number; readonly link: Link; readonly listing: ListedPieces }
type Found = { readonly manifest: Manifest | undefined; readonly version: number }

/** Reads and writes the checkpoint; `guard` is the part that lets only the epoch's holder write. */
export class ZooKeeperCheckpoint {
  readonly #session: ZooKeeperSession
  readonly #guard: () => Operation
  /** The last one, as long as nobody else can have written another. */
  #known: (Found & { readonly chunks: Listing }) | undefined

  constructor(session: ZooKeeperSession, guard: () => Operation) {
    this.#session = session
    this.#guard = guard
  }

  /** Makes the next write look at what there is. */
  forget(): void {
    this.#known = undefined
  }

  /** Link and chunks of the last checkpoint; undefined: there is none. */
  async read(): Promise<StoredCheckpoint | undefined> {
    const manifest = this.#known ? this.#known.manifest : (await this.#find()).manifest
    if (!manifest) return undefined
    const listed = async () => new Map(Object.entries(await this.#listed(manifest)))
    return { link: manifest.link, listed, chunks: this.#chunksOf(manifest) }
  }

  /** Stores what has changed as of a link. */
  async write({
    link,
    changed
  }: {
    readonly link: Link
    readonly changed: ChangedChunks
  }): Promise<void> {
    const before = this.#known ?? (await this.#load())
    this.#known = undefined
    await this.#sweep(before)
    const serial = (before.manifest?.serial ?? 0) + 1
    const chunks = new Map(Object.entries(before.chunks))
    const writer = new PieceWriter({ session: this.#session, guard: this.#guard(), serial })
    let listing: ListedPieces
    try {
      for await (const [name, bytes] of changed) {
        chunks.delete(name)
        if (!bytes) continue
        if (bytes.length > chunkBytesMax) throw tooLong(name, bytes.length)
        chunks.set(name, await writer.put(bytes))
      }
      listing = await writer.put(encodeRecord(Object.fromEntries(chunks)))
    } finally {
      await writer.landed()
    }
    writer.throwIfFailed()
    const { position, hash, epoch } = link
    const bytes = encodeRecord({ serial, position, hash, epoch, listing })
    const outcomes = await this.#session.transact([
      this.#guard(),
      { op: 'set', path: checkpointPath, bytes, version: before.version }
    ])
    const version = outcomes.at(-1)?.version ?? before.version + 1
    const manifest = { serial, link: { position, hash, epoch }, listing }
    this.#known = { manifest, version, chunks: Object.fromEntries(chunks) }
  }

  async #find(): Promise<Found> {
    await this.#session.sync(checkpointPath)
    const node = await this.#session.read(checkpointPath)
    if (!node) throw missing(checkpointPath)
    return { manifest: decodeManifest(node), version: node.stat.version }
  }

  async #load() {
    const found = await this.#find()
    return { ...found, chunks: found.manifest ? await this.#listingOf(found.manifest) : {} }
  }

  async #listingOf({ listing }: Manifest): Promise<Listing> {
    const bytes = await this.#chunk('(the listing)', listing)
    return decodeRecord(checkpointPath, bytes) as Listing
  }

  /** Names of its chunks, and where they are; Fault `conflict` when there is a newer one now. */
  async #listed(manifest: Manifest): Promise<Listing> {
    if (this.#known?.manifest === manifest) return this.#known.chunks
    return await this.#listingOf(manifest).catch(thrown => this.#failReading(manifest, thrown))
  }

  /** Chunk after chunk; Fault `conflict` when there is a newer checkpoint now. */
  async *#chunksOf(manifest: Manifest) {
    try {
      const chunks = Object.entries(await this.#listed(manifest))
      const fetch = (from: number) =>
        chunks.slice(from, from + chunksRead).map(([name, listed]) => {
          const chunk = this.#chunk(name, listed)
          // Should the reader stop early or throw, nobody waits for this one any more.
          chunk.catch(() => {})
          return chunk
        })
      let next = fetch(0)
      for (let from = 0; from < chunks.length; from += chunksRead) {
        const reads = next
        next = fetch(from + chunksRead)
        for (const [at, read] of reads.entries()) {
          yield { key: chunks[from + at]![0], bytes: await read }
        }
      }
    } catch (thrown) {
      await this.#failReading(manifest, thrown)
    }
  }

  /** Throws what was met in reading a checkpoint, or that there is a newer one meanwhile. */
  async #failReading(manifest: Manifest, cause: unknown): Promise<never> {
    if (!isFault(cause, 'corrupt')) throw cause
    if ((await this.#find()).manifest?.serial === manifest.serial) throw cause
    const what = `cannot read on in the checkpoint at ${manifest.link.position}`
    throw new Fault('conflict', `${what}: there is a newer one`, {
      cause,
      next: ['read the newer one']
    })
  }

  /** Reads one chunk and verifies it; what is wrong is read once more after a sync. */
  async #chunk(name: string, listed: ListedPieces): Promise<Uint8Array> {
    for (let isSecond = false; ; isSecond = true) {
      const pieces = await Promise.all(piecesOf(listed).map(path => this.#session.read(path)))
      const found = pieces.flatMap(piece => (piece ? [piece.bytes] : []))
      const bytes = found.length === 1 ? found[0]! : Buffer.concat(found)
      if (found.length === pieces.length && digest('sha256', bytes) === listed.sha256) return bytes
      if (isSecond) {
        const what =
          found.length < pieces.length
            ? `${pieces.length - found.length} of ${pieces.length} pieces are missing`
            : 'its checksum differs'
        throw new Fault('corrupt', `cannot read the chunk ${name} of the checkpoint: ${what}`)
      }
      await this.#session.sync(checkpointPath)
    }
  }

  /** Removes what a checkpoint does not list. */
  async #sweep({ manifest, chunks }: { manifest: Manifest | undefined; chunks: Listing }) {
    const listed = [...Object.values(chunks), ...(manifest ? [manifest.listing] : [])]
    const kept = new Set(listed.flatMap(piecesOf))
    const folders = (await this.#session.children(checkpointPath)) ?? []
    for (const folder of folders) {
      const path = `${checkpointPath}/${folder}`
      const names = (await this.#session.children(path)) ?? []
      const gone = names.map(name => `${path}/${name}`).filter(piece => !kept.has(piece))
      if (gone.length === names.length) gone.push(path)
      for (let at = 0; at < gone.length; at += removedMax) {
        const removed = gone.slice(at, at + removedMax)
        await this.#session.transact([
          this.#guard(),
          ...removed.map((path): Operation => ({ op: 'remove', path, version: 'any' }))
        ])
      }
    }
  }
}

function decodeManifest({ bytes }: Node): Manifest | undefined {
  if (bytes.length === 0) return undefined
  const { serial, listing } = decodeRecord(checkpointPath, bytes)
  const link = decodeLink(checkpointPath, bytes)
  return { serial: Number(serial), link, listing: listing as ListedPieces }
}

const tooLong = (name: string, bytes: number): Fault =>
  new Fault('invalid', `cannot store the chunk ${name} of ${bytes} bytes`, {
    reasons: [`a chunk has at most ${chunkBytesMax} bytes`]
  })
