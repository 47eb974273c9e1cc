/**
 * The checkpoint in a store. Its chunks are never overwritten: a new checkpoint writes the changed
 * ones under its own serial, piece by piece so that appends get their turn in between, and then one
 * small write makes the manifest say so and removes those that it replaced. Until that write the
 * old checkpoint holds; what an unfinished one has left behind is found by the record `pending`.
 */
import { hash as digest } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { ChangedChunks } from '../../core/ports.ts'
import type { Link } from './entry-codec.ts'
import { chunkKey, type ListedChunk, type Manifest, putRecord, removeRecord } from './records.ts'
import type { Store, Write } from './store.ts'

/** Longest chunk that is taken. Unit: bytes. */
export const chunkBytesMax = 8 * 2 ** 20
/** Bytes of chunks in one write; one chunk goes always. */
const writeBytesMax = 2 ** 20
/** Chunks that are read at a time while the ones before them are being used. */
const chunksRead = 4

type WriteAll = (writes: readonly Write[]) => Promise<void>

/** Stores the changed chunks and gives the manifest that lists them with the unchanged ones. */
export async function storeCheckpoint(
  write: WriteAll,
  before: Manifest | undefined,
  { link, changed }: { readonly link: Link; readonly changed: ChangedChunks }
): Promise<Manifest> {
  const serial = (before?.serial ?? 0) + 1
  const chunks = new Map(Object.entries(before?.chunks ?? {}))
  const replaced: Write[] = []
  const written: Write[] = []
  async function* puts(): AsyncIterable<PutChunk> {
    for await (const [name, bytes] of changed) {
      const old = chunks.get(name)
      if (old && old.serial !== serial)
        replaced.push({ op: 'remove', key: chunkKey(old.serial, name) })
      chunks.delete(name)
      if (!bytes) continue
      if (bytes.length > chunkBytesMax) throw tooLong(name, bytes.length)
      chunks.set(name, { serial, bytes: bytes.length, sha256: digest('sha256', bytes) })
      written.push({ op: 'remove', key: chunkKey(serial, name) })
      yield { op: 'put', key: chunkKey(serial, name), bytes }
    }
  }
  await write([putRecord('pending', { serial })])
  try {
    await writeInParts(write, puts())
  } catch (thrown) {
    // When it was a write that failed, this one fails as well, and the next opening cleans up.
    await write([...written, removeRecord('pending')]).catch(() => {})
    throw thrown
  }
  const manifest = { serial, ...link, chunks: Object.fromEntries(chunks) }
  await write([putRecord('checkpoint', manifest), removeRecord('pending'), ...replaced])
  return manifest
}

type PutChunk = Write & { readonly op: 'put' }

async function writeInParts(write: WriteAll, puts: AsyncIterable<PutChunk>): Promise<void> {
  let part: PutChunk[] = []
  let bytes = 0
  for await (const put of puts) {
    if (part.length > 0 && bytes + put.bytes.length > writeBytesMax) {
      await write(part)
      part = []
      bytes = 0
    }
    part.push(put)
    bytes += put.bytes.length
  }
  if (part.length > 0) await write(part)
}

/** Streams a checkpoint's chunks, each verified; Fault `corrupt` when one is lost or damaged. */
export async function* readChunks(
  store: Store,
  manifest: Manifest
): AsyncIterable<{ readonly key: string; readonly bytes: Uint8Array }> {
  const listed = Object.entries(manifest.chunks)
  const fetch = (from: number) =>
    from < listed.length
      ? store.read(
          listed.slice(from, from + chunksRead).map(([name, { serial }]) => chunkKey(serial, name))
        )
      : undefined
  let next = fetch(0)
  for (let from = 0; next; from += chunksRead) {
    const read = await next
    next = fetch(from + chunksRead)
    // Should the reader stop early or throw, nobody waits for this one any more.
    next?.catch(() => {})
    for (const [at, bytes] of read.entries()) {
      const [name, chunk] = listed[from + at]!
      yield { key: name, bytes: verified({ name, chunk, bytes, manifest }) }
    }
  }
}

function verified(read: {
  readonly name: string
  readonly chunk: ListedChunk
  readonly bytes: Uint8Array | undefined
  readonly manifest: Manifest
}): Uint8Array {
  const { name, chunk, bytes, manifest } = read
  if (bytes && digest('sha256', bytes) === chunk.sha256) return bytes
  const what = bytes ? 'its checksum differs' : 'it is missing'
  const of = `of the checkpoint at ${manifest.position}`
  throw new Fault('corrupt', `cannot read the chunk ${name} ${of}: ${what}`, {
    next: ['restore the folder of the journal from a copy']
  })
}

const tooLong = (name: string, bytes: number): Fault =>
  new Fault('invalid', `cannot store the chunk ${name} of ${bytes} bytes`, {
    reasons: [`a chunk has at most ${chunkBytesMax} bytes`]
  })
