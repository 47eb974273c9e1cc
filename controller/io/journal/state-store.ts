/**
 * The controller's state between runs: the checkpoint's chunks, and the entries after it.
 *
 * The state goes on changing while its chunks are encoded. What is written is what `takeDirty` saw
 * at one moment, so all of it belongs to one position; the event loop gets a turn every few
 * milliseconds, and no more than a few chunks are in memory at a time.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import {
  type Chunk,
  type ChunkIndex,
  decodeChunk,
  emptyChunkIndex,
  encodeChunk,
  noteKey,
  noteLoaded,
  noteStored,
  putBack,
  takeDirty
} from '../../core/journal-chunks.ts'
import type { Entry, Journal, Position } from '../../core/ports.ts'

/** What is stored: values by key, each replaced and never altered when it changes. */
export type State = {
  /** The last entry that is folded into it. */
  readonly position: Position
  /** Keys that have changed since the last call. */
  takeDirty(): Iterable<string>
  /** The value of a key, as JSON can say it; undefined: there is none any more. */
  valueOf(key: string): unknown
}

/** What takes in the stored values and entries at start. */
export type Loading = {
  load(key: string, value: unknown): void
  /** All values are loaded; they are those of this position. */
  loaded(position: Position): void
  /** The next entry after it. */
  fold(entry: Entry): void
}

/** Longest that encoding may hold the event loop. */
const sliceMsMax = 8

/** Reads the checkpoint and the entries after it; gives the index that saving needs. */
export async function loadState(journal: Journal, loading: Loading): Promise<ChunkIndex> {
  const index = emptyChunkIndex()
  const checkpoint = await journal.readCheckpoint()
  for await (const { key: name, bytes } of checkpoint?.chunks ?? []) {
    const { keys, values } = decodeChunk(bytes)
    noteLoaded(index, { name, keys, bytes: bytes.length })
    for (const [at, key] of keys.entries()) loading.load(key, values[at])
    await turn()
  }
  const position = checkpoint?.position ?? 0
  loading.loaded(position)
  for await (const entry of journal.entries(position)) loading.fold(entry)
  return index
}

/**
 * Writes a checkpoint of the state as it is at the call, and gives its position. Entries up to it
 * may then be pruned. When it fails, the index still knows what has to be written. Fault `conflict`
 * when the state has folded an entry that the journal has not acknowledged yet: try again later.
 */
export async function saveState(
  journal: Journal,
  state: State,
  index: ChunkIndex
): Promise<Position> {
  const { position } = state
  if (position > journal.head()) {
    const what = `cannot store a checkpoint at ${position}: the journal has not acknowledged it yet`
    throw new Fault('conflict', what, { reasons: [`the journal's head is ${journal.head()}`] })
  }
  for (const key of state.takeDirty()) noteKey(index, key, state.valueOf(key) !== undefined)
  const taken = takeDirty(index, key => state.valueOf(key))
  const bytesOf = new Map<string, number>()
  try {
    const changed = encoded(taken, (name, bytes) => bytesOf.set(name, bytes))
    await journal.writeCheckpoint({ position, changed })
  } catch (thrown) {
    putBack(index, taken)
    throw thrown
  }
  noteStored(index, taken, bytesOf)
  return position
}

async function* encoded(
  taken: {
    readonly chunks: readonly { readonly name: string; readonly chunk: Chunk }[]
    readonly gone: readonly string[]
  },
  note: (name: string, bytes: number) => void
): AsyncIterable<readonly [string, Uint8Array | undefined]> {
  for (const name of taken.gone) yield [name, undefined]
  let since = performance.now()
  for (const { name, chunk } of taken.chunks) {
    if (performance.now() - since > sliceMsMax) {
      await turn()
      since = performance.now()
    }
    const bytes = encodeChunk(chunk)
    note(name, bytes.length)
    yield [name, bytes]
  }
}
