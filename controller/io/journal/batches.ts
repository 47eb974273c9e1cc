/**
 * How entries lie in a znode: a line that says how many bytes of it are elsewhere, then each entry
 * behind a line with its length.
 *
 *     1 PARTS EPOCH\n{LENGTH\nENTRY\n}
 *
 * A batch is one znode, unless its only entry is longer than a transaction may be. Then all but its
 * end lies in parts that were written before it, by the same controller in the same epoch: until
 * the batch's own znode is there, with which the head moves on, they mean nothing.
 */
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Position } from '../../core/ports.ts'
import type { StoredEntry } from './entry-codec.ts'

/** Longest that a znode of ours is: with what goes beside it, one transaction takes it. */
export const znodeBytesMax = 704 * 1024

const version = '1'
const lineMax = 64

/** A batch cut into znodes. */
export type CutBatch = { readonly parts: readonly Uint8Array[]; readonly batch: Uint8Array }

/** Cuts a batch so that each znode fits into a transaction. */
export function encodeBatch(entries: readonly Uint8Array[], epoch: Epoch): CutBatch {
  const payload = framed(entries)
  const count = Math.max(0, Math.ceil(payload.length / znodeBytesMax) - 1)
  const parts = Array.from({ length: count }, (_, at) =>
    payload.subarray(at * znodeBytesMax, (at + 1) * znodeBytesMax)
  )
  const line = Buffer.from(`${version} ${count} ${epoch}\n`)
  return { parts, batch: Buffer.concat([line, payload.subarray(count * znodeBytesMax)]) }
}

/** A batch in one piece, for a store that takes as much. */
export const encodeWhole = (entries: readonly Uint8Array[], epoch: Epoch): Uint8Array =>
  Buffer.concat([Buffer.from(`${version} 0 ${epoch}\n`), framed(entries)])

const framed = (entries: readonly Uint8Array[]): Buffer =>
  Buffer.concat(
    entries.flatMap(entry => [Buffer.from(`${entry.length}\n`), entry, Buffer.from('\n')])
  )

/** What a batch's own znode says. */
export type BatchHead = {
  readonly parts: number
  readonly epoch: Epoch
  /** What comes after the parts. */
  readonly rest: Uint8Array
}

/** Reads a batch's own znode; Fault `corrupt` when it is none. */
export function decodeBatchHead(first: Position, bytes: Uint8Array): BatchHead {
  const { line, end } = lineOf(bytes, 0) ?? damaged(first, 'it has no first line')
  const [of, parts, epoch] = line.split(' ')
  if (of !== version) damaged(first, `its format is ${of}`)
  if (!isNumber(parts) || !isNumber(epoch)) damaged(first, `its first line is "${line}"`)
  return { parts: Number(parts), epoch: Number(epoch), rest: bytes.subarray(end) }
}

/** Reads the entries of a whole batch; Fault `corrupt` when it ends within one. */
export function decodeEntries(first: Position, payload: Uint8Array): readonly StoredEntry[] {
  const entries: StoredEntry[] = []
  for (let at = 0; at < payload.length; ) {
    const { line, end } = lineOf(payload, at) ?? damaged(first, `there is no length at ${at}`)
    const to = end + Number(line)
    if (!isNumber(line) || to >= payload.length || payload[to] !== 0x0a) {
      damaged(first, `it ends within entry ${first + entries.length}`)
    }
    entries.push({ position: first + entries.length, bytes: payload.subarray(end, to) })
    at = to + 1
  }
  if (entries.length === 0) damaged(first, 'it is empty')
  return entries
}

function lineOf(bytes: Uint8Array, from: number) {
  const near = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(
    from,
    from + lineMax
  )
  const length = near.indexOf(0x0a)
  if (length < 0) return undefined
  return { line: near.toString('latin1', 0, length), end: from + length + 1 }
}

const isNumber = (text: string | undefined): boolean => /^\d{1,16}$/.test(text ?? '')

function damaged(first: Position, because: string): never {
  throw new Fault('corrupt', `cannot read the batch at ${first}: ${because}`)
}
