/**
 * Reading batches of entries back from the ensemble.
 *
 * Who follows the journal knows the name of the next batch: it is the position after the last. Who
 * has much to read lists the buckets first and then has many reads on their way at once, which is
 * what makes reading back fast: a server answers one after another ten times slower.
 */
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { Position } from '../../core/ports.ts'
import { sharedMax } from './append-queue.ts'
import { decodeBatchHead, decodeEntries } from './batches.ts'
import type { StoredEntry } from './entry-codec.ts'
import {
  batchPath,
  bucketSpan,
  bucketStart,
  entriesPath,
  firstOf,
  isBatch,
  missing,
  partPath
} from './zookeeper-znodes.ts'

/** Entries that are read batch after batch, without a listing. */
const nearMax = 256
/** Reads that are on their way at once, and the bytes of what they should bring. */
const readsMax = 512
const readBytesMax = 32 * 2 ** 20
/** As large a batch is supposed to be as long as none was read. Unit: bytes. */
const batchBytesSupposed = 64 * 1024

/** What is stored in after < position <= upTo, batch after batch; it ends early at a gap. */
export async function* readBatches(
  session: ZooKeeperSession,
  range: { readonly after: Position; readonly upTo: Position }
): AsyncIterable<readonly StoredEntry[]> {
  let { after } = range
  const within = (entries: readonly StoredEntry[]) =>
    entries.filter(({ position }) => position > after && position <= range.upTo)
  while (range.upTo - after <= nearMax && after < range.upTo) {
    const entries = await readBatch(session, after + 1)
    if (!entries) break
    yield within(entries)
    after = entries.at(-1)!.position
  }
  if (after >= range.upTo) return
  const firsts = await listFirsts(session, { after, upTo: range.upTo })
  for await (const entries of readAhead(session, firsts)) {
    const page = within(entries)
    if (page.length > 0) yield page
  }
}

/** The entries of one batch; undefined: none starts at this position. */
async function readBatch(
  session: ZooKeeperSession,
  first: Position
): Promise<readonly StoredEntry[] | undefined> {
  const node = await session.read(batchPath(first))
  if (!node) return undefined
  const { parts, epoch, rest } = decodeBatchHead(first, node.bytes)
  if (parts === 0) return decodeEntries(first, rest)
  const pieces: Uint8Array[] = []
  for (let part = 0; part < parts; part += 1) {
    const path = partPath(first, epoch, part)
    const piece = await session.read(path)
    if (!piece) throw missing(path)
    pieces.push(piece.bytes)
  }
  return decodeEntries(first, Buffer.concat([...pieces, rest]))
}

/** First positions of all batches that hold something of a range, in order. */
async function listFirsts(
  session: ZooKeeperSession,
  { after, upTo }: { readonly after: Position; readonly upTo: Position }
): Promise<readonly Position[]> {
  const buckets = (await session.children(entriesPath)) ?? []
  // A batch may have begun so much earlier than what is looked for.
  const from = Math.max(0, after + 1 - sharedMax)
  const wanted = buckets.filter(bucket => {
    const start = bucketStart(bucket)
    return start + bucketSpan > from && start <= upTo
  })
  const listed: Position[] = []
  for (const bucket of wanted) {
    const names = (await session.children(`${entriesPath}/${bucket}`)) ?? []
    for (const name of names) if (isBatch(name)) listed.push(firstOf(name))
  }
  listed.sort((a, b) => a - b)
  const begin = listed.findLastIndex(first => first <= after + 1)
  const end = listed.findLastIndex(first => first <= upTo)
  return listed.slice(Math.max(0, begin), end + 1)
}

/** Reads batches in order, many at once, as long as they are small. */
async function* readAhead(
  session: ZooKeeperSession,
  firsts: readonly Position[]
): AsyncIterable<readonly StoredEntry[]> {
  const reads: Promise<readonly StoredEntry[] | undefined>[] = []
  let next = 0
  let count = 0
  let bytes = batchBytesSupposed
  while (next < firsts.length || reads.length > 0) {
    const window = Math.min(readsMax, Math.max(4, (readBytesMax * (count + 1)) / bytes))
    while (next < firsts.length && reads.length < window) {
      const read = readBatch(session, firsts[next]!)
      // Should an earlier one fail, nobody waits for this one any more.
      read.catch(() => {})
      reads.push(read)
      next += 1
    }
    const entries = await reads.shift()!
    if (!entries) continue
    count += 1
    for (const entry of entries) bytes += entry.bytes.length
    yield entries
  }
}
