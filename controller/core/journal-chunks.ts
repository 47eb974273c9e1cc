/**
 * How a folded state is cut into chunks for the checkpoint.
 *
 * The state is entries: a key such as `instance/i-…`, and a value that JSON can say. One stored
 * record for each would be slow to read back (sixty times slower than chunks), one for all would be
 * written anew for each change. So a key belongs to one of `count` chunks by its hash, and only the
 * chunks that hold a changed key are written. When chunks would grow above 256 KiB on average,
 * their count doubles and all are written once more; it never falls, since an empty chunk costs
 * nothing.
 *
 * The index below holds the entries by chunk and knows which chunks have changed. It is mutable:
 * half a million entries cannot be copied for each change. `takeDirty` takes all that must be
 * written as of one moment, in a few milliseconds, so that it can be encoded slice by slice while
 * the state goes on changing. That is sound only if a value is replaced when it changes, never
 * altered in place; it also lets the index share the state's values instead of copying them.
 */
import assert from 'node:assert/strict'
import { Fault } from '#shared/fault.ts'

/** Average that chunks may reach before there are twice as many. Unit: bytes. */
export const chunkBytesMean = 256 * 1024
/** Bytes per entry that are supposed as long as none was encoded. */
const entryBytesSupposed = 600
const countMax = 65_536
const keysPerYield = 5_000

/** Entries as they are stored together; the value of `keys[i]` is `values[i]`. */
export type Chunk = { readonly keys: readonly string[]; readonly values: readonly unknown[] }

/** Chunks to be written, and names of stored ones to be removed, as of one moment. */
export type DirtyChunks = {
  readonly chunks: readonly { readonly name: string; readonly chunk: Chunk }[]
  readonly gone: readonly string[]
}

/** The entries by chunk, and which chunks differ from what is stored. Mutable. */
export type ChunkIndex = {
  count: number
  /** Entries of each chunk. */
  members: Map<string, unknown>[]
  /** Numbers of the chunks to be written. */
  readonly dirty: Set<number>
  /** The chunks that the journal holds, by their names. */
  readonly stored: Map<string, StoredSize>
  keys: number
}

type StoredSize = { readonly keys: number; readonly bytes: number }

const emptyMaps = (count: number): Map<string, unknown>[] =>
  Array.from({ length: count }, () => new Map<string, unknown>())

/** An index of nothing, for a journal without a checkpoint. */
export const emptyChunkIndex = (): ChunkIndex => ({
  count: 1,
  members: emptyMaps(1),
  dirty: new Set(),
  stored: new Map(),
  keys: 0
})

/** Says which of so many chunks a key belongs to. The count is a power of two. */
export function chunkOf(key: string, count: number): number {
  assert(count > 0 && (count & (count - 1)) === 0, 'the count of chunks is a power of two')
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  // FNV's low bits depend on the low bits of the input alone: mix the high ones in.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) & (count - 1)
}

/** Name under which a chunk is stored, such as `00512/00037`. */
export const chunkName = (number: number, count: number): string =>
  `${String(count).padStart(5, '0')}/${String(number).padStart(5, '0')}`

/** Notes the value that a key has now; undefined: there is none any more. */
export function noteKey(index: ChunkIndex, key: string, value: unknown): void {
  const number = chunkOf(key, index.count)
  const members = index.members[number]!
  index.keys -= members.size
  if (value === undefined) members.delete(key)
  else members.set(key, value)
  index.keys += members.size
  index.dirty.add(number)
}

/** Notes a chunk that was read from the journal. The first one says how many there are. */
export function noteLoaded(
  index: ChunkIndex,
  loaded: { readonly name: string; readonly chunk: Chunk; readonly bytes: number }
): void {
  const { count, number } = placeOf(loaded.name)
  if (index.stored.size === 0) {
    index.count = count
    index.members = emptyMaps(count)
  }
  if (count !== index.count) {
    throw new Fault('corrupt', `cannot place the chunk ${loaded.name} among ${index.count} chunks`)
  }
  const { keys, values } = loaded.chunk
  const members = index.members[number]!
  for (const [at, key] of keys.entries()) members.set(key, values[at])
  index.keys += keys.length
  index.stored.set(loaded.name, { keys: keys.length, bytes: loaded.bytes })
}

/**
 * Notes the chunks that a checkpoint lists of which only the sizes are known, once the keys are
 * noted that there are now. All of them count as dirty.
 */
export function noteListed(index: ChunkIndex, listed: ReadonlyMap<string, number>): void {
  for (const [name, bytes] of listed) {
    const { count, number } = placeOf(name)
    const keys = count === index.count ? index.members[number]!.size : 0
    index.stored.set(name, { keys, bytes })
    markName(index, name)
  }
}

/** An index of as many chunks as a checkpoint has, by the name of one of them. */
export const chunkIndexAs = (name: string): ChunkIndex => {
  const { count } = placeOf(name)
  return { ...emptyChunkIndex(), count, members: emptyMaps(count) }
}

/**
 * Takes what must be written so that the journal holds the state as it is now; no chunk counts as
 * dirty after that. When the write fails, give it back to `putBack`.
 */
export function takeDirty(index: ChunkIndex): DirtyChunks {
  const chunks: { name: string; chunk: Chunk }[] = []
  const gone: string[] = []
  for (const name of index.stored.keys()) {
    if (placeOf(name).count !== index.count) gone.push(name)
  }
  for (const number of index.dirty) {
    const name = chunkName(number, index.count)
    const members = index.members[number]!
    const chunk = { keys: [...members.keys()], values: [...members.values()] }
    if (members.size > 0) chunks.push({ name, chunk })
    else if (index.stored.has(name)) gone.push(name)
  }
  index.dirty.clear()
  return { chunks, gone }
}

/**
 * Doubles the count of chunks as often as they need to stay small; call it before `takeDirty`. It
 * yields now and then, so that a large index need not be redone in one go.
 */
export function* growToFit(index: ChunkIndex): Generator<void> {
  let count = index.count
  const bytes = index.keys * bytesPerKey(index)
  while (count < countMax && bytes > count * chunkBytesMean) count *= 2
  if (count === index.count) return
  const members = emptyMaps(count)
  let done = 0
  for (const before of index.members) {
    for (const [key, value] of before) {
      members[chunkOf(key, count)]!.set(key, value)
      done += 1
      if (done % keysPerYield === 0) yield
    }
  }
  index.count = count
  index.members = members
  index.dirty.clear()
  for (let number = 0; number < count; number++) index.dirty.add(number)
}

/** Marks as dirty again what could not be written. */
export function putBack(index: ChunkIndex, taken: DirtyChunks): void {
  for (const { name } of taken.chunks) markName(index, name)
  for (const name of taken.gone) markName(index, name)
}

/** Notes that what was taken is now in the journal: the bytes of each chunk by its name. */
export function noteStored(
  index: ChunkIndex,
  taken: DirtyChunks,
  bytes: ReadonlyMap<string, number>
): void {
  for (const name of taken.gone) index.stored.delete(name)
  for (const { name, chunk } of taken.chunks) {
    index.stored.set(name, { keys: chunk.keys.length, bytes: bytes.get(name) ?? 0 })
  }
}

/**
 * Writes a chunk as JSON, which is as quick to read as packed records and takes less memory. Its
 * entries are in the order of their keys, so that whoever writes the same chunk writes the same.
 */
export function encodeChunk({ keys, values }: Chunk): Uint8Array {
  const order = [...keys.keys()].sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1))
  const sorted = { keys: order.map(at => keys[at]), values: order.map(at => values[at]) }
  return encoder.encode(JSON.stringify(sorted))
}

/** Reads a chunk; Fault `corrupt` when it is none. */
export function decodeChunk(bytes: Uint8Array): Chunk {
  let read: Partial<Chunk> | null
  try {
    read = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new Fault('corrupt', `cannot read a chunk of ${bytes.length} bytes: it is not JSON`, {
      cause
    })
  }
  const { keys, values } = read ?? {}
  if (!Array.isArray(keys) || !Array.isArray(values) || keys.length !== values.length) {
    throw new Fault('corrupt', 'cannot read a chunk: it is not keys and as many values')
  }
  return { keys, values }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** How long an entry is, as the stored chunks say. */
function bytesPerKey(index: ChunkIndex): number {
  let bytes = 0
  let keys = 0
  for (const stored of index.stored.values()) {
    bytes += stored.bytes
    keys += stored.keys
  }
  return keys > 0 ? bytes / keys : entryBytesSupposed
}

/** Reads a chunk's name. */
function placeOf(name: string): { readonly count: number; readonly number: number } {
  const [count = 0, number = 0] = /^\d{5}\/\d{5}$/.test(name) ? name.split('/').map(Number) : []
  const power = count > 0 && count <= countMax && (count & (count - 1)) === 0
  if (!power || number >= count)
    throw new Fault('corrupt', `cannot read the chunk's name "${name}"`)
  return { count, number }
}

function markName(index: ChunkIndex, name: string): void {
  const { count, number } = placeOf(name)
  if (count === index.count) index.dirty.add(number)
}
