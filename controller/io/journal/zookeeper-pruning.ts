/** Removing the znodes of entries that a checkpoint covers. */
import { isFault } from '#shared/fault.ts'
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { Link } from './entry-codec.ts'
import {
  anchorPath,
  bucketSpan,
  bucketStart,
  encodeRecord,
  entriesPath,
  firstOf,
  isBatch
} from './zookeeper-znodes.ts'

/** Znodes that are removed in one transaction. */
const removedMax = 500

/**
 * Notes the last entry that is forgotten, then removes the batches that end with it or before, and
 * parts that nothing has come of. Gives the buckets that are gone. A run that was cut short leaves
 * znodes which the next one removes.
 */
export async function pruneBatches({
  session,
  guard,
  anchor
}: {
  readonly session: ZooKeeperSession
  readonly guard: Operation
  readonly anchor: Link
}): Promise<readonly string[]> {
  const { position, hash, epoch } = anchor
  const bytes = encodeRecord({ position, hash, epoch })
  await session.transact([guard, { op: 'set', path: anchorPath, bytes, version: 'any' }])
  const buckets = ((await session.children(entriesPath)) ?? []).filter(
    bucket => bucketStart(bucket) <= position
  )
  const gone: string[] = []
  for (const bucket of buckets) {
    const path = `${entriesPath}/${bucket}`
    const names = (await session.children(path)) ?? []
    // A batch ends before the next one begins; where the last one of a bucket ends is not known.
    const begun = names.filter(isBatch).map(firstOf)
    const keptFrom = begun.findLast(first => first <= position + 1) ?? position + 1
    const isPast = bucketStart(bucket) + bucketSpan <= position - bucketSpan
    const removed = names.filter(name => isPast || firstOf(name) < keptFrom)
    for (let at = 0; at < removed.length; at += removedMax) {
      const some = removed.slice(at, at + removedMax)
      await session.transact([guard, ...some.map(name => remove(`${path}/${name}`))])
    }
    if (!isPast || removed.length < names.length) continue
    try {
      await session.transact([guard, remove(path)])
      gone.push(bucket)
    } catch (thrown) {
      if (!isFault(thrown, 'conflict')) throw thrown
    }
  }
  return gone
}

const remove = (path: string): Operation => ({ op: 'remove', path, version: 'any' })
