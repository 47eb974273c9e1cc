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
/** Turns of the event loop that a checkpoint waits for a moment at which all is acknowledged. */
const turnsMax = 10_000

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
 * Writes a checkpoint of the state as it is at some moment during the call, and gives its position;
 * entries up to it may then be pruned. When it fails, the index still knows what has to be written.
 * One call at a time for an index. Fault `conflict` when there was no moment at which the journal
 * had acknowledged all that is folded into the state: try again later.
 */
export async function saveState(
  journal: Journal,
  state: State,
  index: ChunkIndex
): Promise<Position> {
  const pace = new Pace()
  for (const key of state.takeDirty()) {
    noteKey(index, key, state.valueOf(key) !== undefined)
    if (pace.isDue()) await pace.turn()
  }
  for (const _ of growToFit(index)) if (pace.isDue()) await pace.turn()
  await allAcknowledged(journal, state)

  // From here to the values all is one moment: what has changed meanwhile, then the values.
  const { position } = state
  for (const key of state.takeDirty()) noteKey(index, key, state.valueOf(key) !== undefined)
  const taken = takeDirty(index, key => state.valueOf(key))
  const bytesOf = new Map<string, number>()
  try {
    const note = (name: string, bytes: number) => bytesOf.set(name, bytes)
    await journal.writeCheckpoint({ position, changed: encoded(taken, { note, pace }) })
  } catch (thrown) {
    putBack(index, taken)
    throw thrown
  }
  noteStored(index, taken, bytesOf)
  return position
}

/** What is folded but not acknowledged may yet fail: it must not get into a checkpoint. */
async function allAcknowledged(journal: Journal, state: State): Promise<void> {
  for (let turns = 0; state.position > journal.head(); turns++) {
    if (turns >= turnsMax) {
      const what = `cannot store a checkpoint at ${state.position}: it is not acknowledged yet`
      const head = `the journal ends at ${journal.head()}, as in each of ${turns} looks`
      throw new Fault('conflict', what, { reasons: [head], next: ['try again in a moment'] })
    }
    await turn()
  }
}

async function* encoded(
  taken: DirtyChunks,
  options: { readonly note: (name: string, bytes: number) => void; readonly pace: Pace }
): AsyncIterable<readonly [string, Uint8Array | undefined]> {
  for (const name of taken.gone) yield [name, undefined]
  for (const { name, chunk } of taken.chunks) {
    if (options.pace.isDue()) await options.pace.turn()
    const bytes = encodeChunk(chunk)
    options.note(name, bytes.length)
    yield [name, bytes]
  }
}

/** Gives the event loop a turn whenever it was held for a few milliseconds. */
class Pace {
  #since = performance.now()

  isDue(): boolean {
    return performance.now() - this.#since > sliceMsMax
  }
  async turn(): Promise<void> {
    await turn()
    this.#since = performance.now()
  }
}
