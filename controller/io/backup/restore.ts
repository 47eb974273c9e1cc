/**
 * Putting a backup into an empty journal. Everything in the file is read and checked before
 * anything is written.
 *
 * The journal begins with a checkpoint at position 0: the state of the backup, before the first
 * entry of a new chain. It is stored whole or not at all, so a restore that was cut short leaves
 * an empty journal and is simply done again. Positions count from 1 anew, and those in histories
 * become 0. The epoch is raised above all that hosts can have seen, so they take the orders of the
 * restored cloud, refuse those of the one that was lost, and clients know that it is another
 * history.
 */
import { createReadStream } from 'node:fs'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import { kindNames } from '#shared/model/index.ts'
import { decodeChunk, encodeChunk } from '../../core/journal-chunks.ts'
import type { Journal } from '../../core/ports.ts'
import { View } from '../../core/view.ts'
import { type BackupChunk, type BackupHeader, readBackup } from './format.ts'

/** A cloud has not raised its epoch so often between a backup and its end. */
export const epochsSkipped = 1_000

/** What a backup holds: what it is of, and how many there are of each kind. */
export type BackupContents = BackupHeader & {
  readonly resources: Readonly<Record<string, number>>
  readonly tokens: number
}

/** Reads a file whole and says what it holds; Fault `corrupt` when it cannot be restored. */
export async function inspectBackup(path: string): Promise<BackupContents> {
  // What a damaged file says is not looked into.
  for await (const _ of partsOf(path));
  const view = new View()
  let header: BackupHeader | undefined
  for await (const part of partsOf(path)) {
    if (!('name' in part)) {
      header = part
      continue
    }
    const { keys, values } = decodeChunk(part.bytes)
    for (const [at, key] of keys.entries()) view.load(key, values[at])
  }
  view.loaded(0)
  if (!header || view.cloud?.id !== header.cloud) {
    throw new Fault('corrupt', `cannot restore ${path}: it does not hold the cloud that it names`)
  }
  const counts = kindNames.map(kind => [kind, view.all(kind).size] as const)
  const resources = Object.fromEntries(counts.filter(([, count]) => count > 0))
  return { ...header, resources, tokens: view.tokens().size }
}

/**
 * Restores a file that was inspected; gives the epoch that the next controller raises. Fault
 * `conflict` when the journal is not empty. `epochAbove`: hosts are known to have seen that one.
 */
export async function restoreBackup(
  path: string,
  journal: Journal,
  options: { readonly contents: BackupContents; readonly epochAbove?: Epoch }
): Promise<Epoch> {
  const checkpoint = await journal.readCheckpoint()
  if (checkpoint || journal.head() > 0) {
    throw new Fault('conflict', 'cannot restore the backup: the journal is not empty', {
      reasons: [`it ends at position ${Math.max(journal.head(), checkpoint?.position ?? 0)}`],
      next: ['restore into an empty one; move what is there away, and do not delete it']
    })
  }
  const seen = Math.max(options.contents.epoch + epochsSkipped, options.epochAbove ?? 0)
  let epoch = await journal.raiseEpoch(seen)
  // A journal may raise it by one only; each costs a write.
  while (epoch <= seen) epoch = await journal.raiseEpoch(seen)
  await journal.writeCheckpoint({ position: 0, changed: chunksOf(path) })
  await assertStored(path, journal)
  return epoch
}

async function* chunksOf(path: string): AsyncGenerator<readonly [string, Uint8Array]> {
  for await (const part of partsOf(path)) if ('name' in part) yield [part.name, begunAnew(part)]
}

/** A chunk whose histories are of before the first entry. */
function begunAnew({ bytes }: BackupChunk): Uint8Array {
  const { keys, values } = decodeChunk(bytes)
  const anew = keys.map((key, at) => {
    if (!key.startsWith('history/')) return values[at]
    return (values[at] as readonly object[]).map(decision => ({ ...decision, position: 0 }))
  })
  return encodeChunk({ keys, values: anew })
}

/** Reads back what was written: from here on nobody looks at the file again. */
async function assertStored(path: string, journal: Journal): Promise<void> {
  const wanted = new Map<string, Uint8Array>()
  for await (const [name, bytes] of chunksOf(path)) wanted.set(name, bytes)
  const stored = await journal.readCheckpoint()
  for await (const { key, bytes } of stored?.chunks ?? []) {
    if (Buffer.compare(bytes, wanted.get(key) ?? new Uint8Array()) !== 0) {
      throw new Fault('corrupt', `cannot restore the backup: chunk ${key} was not stored as it is`)
    }
    wanted.delete(key)
  }
  if (stored && wanted.size === 0) return
  throw new Fault('corrupt', `cannot restore the backup: ${wanted.size} chunks were not stored`)
}

const partsOf = (path: string): AsyncIterable<BackupHeader | BackupChunk> =>
  readBackup(createReadStream(path))
