import { setImmediate as breathe } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import {
  emptyChunkIndex,
  encodeChunk,
  growToFit,
  noteKey,
  takeDirty
} from '../../core/journal-chunks.ts'
import type { View } from '../../core/view.ts'
import { type BackupChunk, writeBackup } from './format.ts'

/** Keys that are noted between two breaths of the event loop. */
const keysPerSlice = 5_000

/** What a backup is taken of, and when. */
export type BackupSource = {
  readonly view: View
  readonly epoch: Epoch
  readonly version: string
  /** Wall clock. */
  readonly now: number
  /** Resolves once all that the view holds is recorded. */
  readonly durable: () => Promise<void>
}

/**
 * Takes a backup of the state as it is at this moment, and gives it once that is recorded; the
 * state may go on changing meanwhile. It holds secrets: hashes of tokens, and keys.
 */
export async function takeBackup(source: BackupSource): Promise<AsyncIterable<Uint8Array>> {
  const { view, epoch, version, now } = source
  const cloud = view.cloud?.id
  if (cloud === undefined) {
    throw new Fault('unavailable', 'cannot take a backup: this candidate has no state yet')
  }
  const { position } = view
  // Values are replaced when they change, never altered: these stay as they are now.
  const values = [...view.keys()].map(key => [key, view.valueOf(key)] as const)
  await source.durable()
  const header = { cloud, position, epoch, version, takenAt: new Date(now).toISOString() }
  return writeBackup(header, chunksOf(values))
}

async function* chunksOf(
  values: readonly (readonly [string, unknown])[]
): AsyncGenerator<BackupChunk> {
  const index = emptyChunkIndex()
  for (const [at, [key, value]] of values.entries()) {
    noteKey(index, key, value)
    if (at % keysPerSlice === keysPerSlice - 1) await breathe()
  }
  for (const _ of growToFit(index)) await breathe()
  for (const { name, chunk } of takeDirty(index).chunks) {
    yield { name, bytes: encodeChunk(chunk) }
    await breathe()
  }
}
