/**
 * Where the journal is in the ensemble.
 *
 *     /remuda/epoch                   who leads; commits check its *version*
 *     /remuda/head                    the last entry; each commit moves it on from its version
 *     /remuda/anchor                  the last entry that was forgotten
 *     /remuda/entries/BUCKET/FIRST    a batch of entries, by the position of its first one
 *     /remuda/entries/BUCKET/FIRST.EPOCH.PART   a part of an entry too long for one transaction
 *     /remuda/checkpoint              the manifest
 *     /remuda/checkpoint/SERIAL.NUMBER/PIECE    a piece of a chunk, see zookeeper-checkpoint.ts
 *
 * A bucket is 4096 positions, so that no znode has more children than a server likes. The epoch's
 * znode is made at version 0 and raised before anybody leads: a check of version 0, which clients
 * are known to take for "any", is never needed.
 */
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { Position } from '../../core/ports.ts'
import { firstLink, type Link } from './entry-codec.ts'

/** All that is ours is below it. */
export const rootPath = '/remuda'
/** Says who leads. */
export const epochPath = `${rootPath}/epoch`
/** Names the last entry. */
export const headPath = `${rootPath}/head`
/** Names the last entry that was forgotten. */
export const anchorPath = `${rootPath}/anchor`
/** Holds the buckets. */
export const entriesPath = `${rootPath}/entries`
/** Is the manifest of the checkpoint and holds its folders. */
export const checkpointPath = `${rootPath}/checkpoint`

/** The layout that this code writes; it refuses a higher one. */
const formatOurs = 1
/** Positions of one bucket. */
export const bucketSpan = 4096

/** The epoch, and which journal has raised it. */
export type EpochRecord = { readonly format: number; readonly epoch: Epoch; readonly by: string }

/** The bucket of a position. */
export const bucketOf = (position: Position): string =>
  digits(Math.floor(position / bucketSpan) * bucketSpan)
/** First position of a bucket. */
export const bucketStart = (bucket: string): Position => Number(bucket)
/** Path of the batch that starts with a position. */
export const batchPath = (first: Position): string =>
  `${entriesPath}/${bucketOf(first)}/${digits(first)}`
/** Path of a part of an entry; no two epochs write the same one. */
export const partPath = (position: Position, epoch: Epoch, part: number): string =>
  `${batchPath(position)}.${epoch}.${part}`
/** First position of what has this name in a bucket. */
export const firstOf = (name: string): Position => Number(name.split('.', 1)[0])
/** Whether that is a batch; else it is a part. */
export const isBatch = (name: string): boolean => !name.includes('.')

const digits = (position: Position): string => String(position).padStart(16, '0')

/** Writes a record as JSON, for a person with a broken cloud and any client. */
export const encodeRecord = (record: object): Uint8Array => Buffer.from(JSON.stringify(record))

/** Reads a link; Fault `corrupt` when it is none. */
export function decodeLink(path: string, bytes: Uint8Array): Link {
  const { position, hash, epoch } = decodeRecord(path, bytes)
  const fits = isCount(position) && isCount(epoch) && typeof hash === 'string'
  if (!fits) throw damaged(path, 'it names no entry')
  return { position, hash, epoch }
}

/** Reads the epoch; Faults: `corrupt`, and `invalid` when a newer release wrote it. */
export function decodeEpoch(bytes: Uint8Array): EpochRecord {
  const { format, epoch, by } = decodeRecord(epochPath, bytes)
  if (isCount(format) && format > formatOurs) throw tooNew(format)
  const fits = isCount(format) && isCount(epoch) && typeof by === 'string'
  if (!fits) throw damaged(epochPath, 'it says no epoch')
  return { format, epoch, by }
}

/** The epoch's record as this release writes it. */
export const encodeEpoch = (epoch: Epoch, by: string): Uint8Array =>
  encodeRecord({ format: formatOurs, epoch, by })

/** Reads a record; Fault `corrupt` when it is not an object in JSON. */
export function decodeRecord(path: string, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let read: unknown
  try {
    read = JSON.parse(Buffer.from(bytes).toString())
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause)
  }
  if (typeof read !== 'object' || read === null) throw damaged(path, 'it is not an object')
  return read as Readonly<Record<string, unknown>>
}

/** Makes the znodes of a journal where there is none. */
export async function makeZnodes(session: ZooKeeperSession): Promise<void> {
  const create = (path: string, bytes: Uint8Array = new Uint8Array()) =>
    ({ op: 'create', path, bytes }) as const
  if (await session.read(epochPath)) return
  await unlessThere(session.transact([create(rootPath)]))
  await unlessThere(
    session.transact([
      create(entriesPath),
      create(checkpointPath),
      create(anchorPath, encodeRecord(firstLink)),
      create(headPath, encodeRecord(firstLink)),
      create(epochPath, encodeEpoch(0, ''))
    ])
  )
}

/** The Fault for a znode that is missing although the journal has always one. */
export const missing = (path: string): Fault =>
  new Fault('corrupt', `cannot read ${path}: there is no such znode`)

async function unlessThere(created: Promise<unknown>): Promise<void> {
  try {
    await created
  } catch (thrown) {
    if (!(thrown instanceof Fault && thrown.code === 'conflict')) throw thrown
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)
const damaged = (path: string, because: string, cause?: unknown): Fault =>
  new Fault('corrupt', `cannot read ${path}: ${because}`, { cause })
const tooNew = (format: number): Fault =>
  new Fault('invalid', `cannot open the journal on ZooKeeper: its format is ${format}`, {
    reasons: [`this release reads formats up to ${formatOurs}`],
    next: ['run the release that wrote it, or a newer one']
  })
