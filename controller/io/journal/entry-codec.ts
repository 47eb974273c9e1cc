/**
 * How an entry is stored: one line of text that says what it is, then the commit as JSON.
 *
 *     1 HASH PREVIOUS POSITION EPOCH\n{"changes":[…],"decisions":[…]}
 *
 * `HASH` is SHA-256, in hexadecimal, of all that follows it: of the previous entry's hash, the
 * position, the epoch and the commit. So each entry shows by itself whether it is whole, and each
 * names the one that it follows: a gap, a swap or a second history cannot pass for the journal.
 * It is text so that a person with a broken cloud can read it with nothing but `strings`.
 */
import assert from 'node:assert/strict'
import { hash as digest } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Commit } from '../../core/commit.ts'
import type { Position } from '../../core/ports.ts'

/** Longest commit that is taken. Unit: bytes of JSON. */
export const commitBytesMax = 4 * 2 ** 20

/** What an entry must follow: position, hash and epoch of the one before it. */
export type Link = { readonly position: Position; readonly hash: string; readonly epoch: Epoch }

/** Where the journal starts: there is nothing before the first entry. */
export const firstLink: Link = { position: 0, hash: '0'.repeat(64), epoch: 0 }

/** An entry that has shown to be whole; its commit is not read yet. */
export type WholeEntry = Link & { readonly previous: string; readonly body: Uint8Array }

/** Bytes that were stored as the entry at a position; not yet shown to be that. */
export type StoredEntry = { readonly position: Position; readonly bytes: Uint8Array }

/** Key of an entry; keys sort as positions do. */
export function entryKey(position: Position): string {
  assert(Number.isSafeInteger(position) && position >= 0)
  return `e/${position.toString(16).padStart(16, '0')}`
}

/** Key behind those of all entries. */
export const entryKeyLast = 'e/ffffffffffffffff'

/** The position that a key of an entry means. */
export const positionOf = (key: string): Position => Number.parseInt(key.slice(2), 16)

/** Writes a commit as JSON; Fault `invalid` when it cannot be or is too long. */
export function encodeCommit(commit: Commit): Uint8Array {
  const { changes, decisions } = commit
  let body: Uint8Array
  try {
    body = Buffer.from(JSON.stringify({ changes, decisions }))
  } catch (cause) {
    throw new Fault('invalid', 'cannot write a commit as JSON', { cause })
  }
  if (body.length <= commitBytesMax) return body
  throw new Fault('invalid', `cannot take a commit of ${body.length} bytes`, {
    reasons: [`a commit has at most ${commitBytesMax} bytes, this one ${changes.length} changes`],
    next: ['split it into several']
  })
}

/** Reads the commit of a whole entry. */
export function decodeCommit(entry: WholeEntry): Commit {
  try {
    return JSON.parse(decoder.decode(entry.body)) as Commit
  } catch (cause) {
    const what = `cannot read the commit of entry ${entry.position}`
    throw new Fault('corrupt', `${what}: its hash is right, its JSON is not`, { cause })
  }
}

/** Makes the entry that follows another. */
export function sealEntry(
  before: Link,
  { epoch, body }: { readonly epoch: Epoch; readonly body: Uint8Array }
): { readonly link: Link; readonly bytes: Uint8Array } {
  const position = before.position + 1
  const rest = `${before.hash} ${position} ${epoch}\n`
  const bytes = Buffer.allocUnsafe(hashedFrom + rest.length + body.length)
  bytes.write(rest, hashedFrom, 'latin1')
  bytes.set(body, hashedFrom + rest.length)
  const hash = digest('sha256', bytes.subarray(hashedFrom))
  bytes.write(`${version} ${hash} `, 'latin1')
  return { link: { position, hash, epoch }, bytes }
}

/** Reads a stored entry; undefined when it is not whole. */
export function openEntry(bytes: Uint8Array): WholeEntry | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = buffer.subarray(0, lineMax).indexOf(0x0a)
  if (end < hashedFrom) return undefined
  const [of, hash, previous, position, epoch] = buffer.toString('latin1', 0, end).split(' ')
  if (of !== version || digest('sha256', buffer.subarray(hashedFrom)) !== hash) return undefined
  return {
    position: Number(position),
    hash,
    epoch: Number(epoch),
    previous: previous!,
    body: buffer.subarray(end + 1)
  }
}

/** Reads a stored pair as what must come after a link, or says why it cannot be that. */
export const follow = (
  before: Link,
  pair: { readonly key: string; readonly bytes: Uint8Array }
): WholeEntry | string => followAt(before, { position: positionOf(pair.key), bytes: pair.bytes })

/** As `follow`, for bytes that were stored as the entry at a position. */
export function followAt(before: Link, stored: StoredEntry): WholeEntry | string {
  const { position, bytes } = stored
  const due = before.position + 1
  if (position !== due) return `entry ${due} is missing although ${position} is there`
  const entry = openEntry(bytes)
  if (!entry) return `entry ${due} is damaged: its checksum differs`
  if (entry.position !== due) return `entry ${due} is damaged: it says that it is ${entry.position}`
  if (entry.previous !== before.hash) return `entry ${due} does not follow from ${before.position}`
  if (entry.epoch < before.epoch) {
    return `entry ${due} has epoch ${entry.epoch}, the one before it ${before.epoch}`
  }
  return entry
}

const version = '1'
/** Where the hashed part starts: behind the version, the hash and two spaces. */
const hashedFrom = version.length + 64 + 2
/** Longest first line: two hashes, two numbers of 16 digits, and spaces. */
const lineMax = 200
const decoder = new TextDecoder('utf-8', { fatal: true })
