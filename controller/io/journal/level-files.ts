/**
 * What is known of LevelDB's files from outside, since LevelDB forgives too much when it opens:
 *
 * - A log record that fails its checksum, and what is left of its 32 KiB block, is skipped without
 *   a word; then the log is made into a table and deleted. So we keep a second name (a hard link)
 *   of each log until the entries have been verified, and look into them for entries that are gone.
 * - Where the file CURRENT is missing it starts an empty database and deletes all tables. So it may
 *   create only in a folder without tables and logs.
 * - Its lock is a POSIX record lock on LOCK: a process loses it as soon as it closes any descriptor
 *   of that file. So LOCK is never opened here, nor copied.
 */
import { constants, copyFile, link, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Epoch } from '#shared/ids.ts'
import type { Position } from '../../core/ports.ts'
import { positionOf } from './entry-codec.ts'

/** `empty`: a new store may be made here; `damaged`: opening it would lose what is left. */
export type StoreFiles =
  | { readonly state: 'empty' }
  | { readonly state: 'whole' }
  | { readonly state: 'damaged'; readonly because: string }

/** Looks whether LevelDB's files can be opened without losing any. */
export async function lookAtFiles(folder: string): Promise<StoreFiles> {
  const names = await readdir(folder)
  const tables = names.filter(name => /\.(ldb|sst)$/.test(name))
  const logs = await logsIn(folder)
  const kept = tables.length + logs.filter(log => log.bytes > 0).length
  if (!names.includes('CURRENT')) {
    if (kept === 0) return { state: 'empty' }
    return { state: 'damaged', because: `CURRENT is missing beside ${kept} tables and logs` }
  }
  const current = (await readFile(join(folder, 'CURRENT'), 'latin1')).trim()
  if (names.includes(current)) return { state: 'whole' }
  return { state: 'damaged', because: `CURRENT names "${current}", which is missing` }
}

/** Gives each log a second name in another folder; gives the names that were not there yet. */
export async function holdLogs(folder: string, into: string): Promise<readonly string[]> {
  await mkdir(into, { recursive: true, mode: 0o700 })
  const held: string[] = []
  for (const { name } of await logsIn(folder)) {
    if (await linkFile(join(folder, name), join(into, name))) held.push(name)
  }
  return held
}

/** Gives every file of a closed store, but its lock, a second name in another folder. */
export async function holdAll(folder: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true, mode: 0o700 })
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK') continue
    await linkFile(join(folder, entry.name), join(into, entry.name))
  }
}

/** What a log says of itself, read without LevelDB. */
export type LogReading = {
  /** whole: ends with a record. torn: its last record is cut off. damaged: neither. */
  readonly end: 'whole' | 'torn' | 'damaged'
  /** Where the last whole record ends. */
  readonly wholeBytes: number
  /** Highest position of an entry that is mentioned up to there, and anywhere. 0: none. */
  readonly highestWhole: Position
  readonly highest: Position
  /** Highest epoch that is mentioned anywhere. 0: none. */
  readonly highestEpoch: Epoch
}

/**
 * Walks a log by the lengths of its records, without their checksums, and looks for the entries
 * and epochs that it mentions. Sources of the layout: doc/log_format.md and db/write_batch.cc of
 * LevelDB.
 */
export function readLog(bytes: Uint8Array): LogReading {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const pieces: Buffer[] = []
  let [at, wholeBytes, wholePieces] = [0, 0, 0]
  let end: LogReading['end'] = 'whole'
  while (at < buffer.length) {
    const left = blockBytes - (at % blockBytes)
    if (left < headerBytes) {
      at += left
      if (wholePieces === pieces.length) wholeBytes = Math.min(at, buffer.length)
      continue
    }
    end = judgeRecord(buffer, at, left)
    if (end !== 'whole') break
    const length = buffer.readUInt16LE(at + 4)
    pieces.push(buffer.subarray(at + headerBytes, at + headerBytes + length))
    const type = buffer[at + 6]
    at += headerBytes + length
    if (type === recordType.full || type === recordType.last) {
      wholeBytes = at
      wholePieces = pieces.length
    }
  }
  const whole = Buffer.concat(pieces.slice(0, wholePieces))
  const rest = Buffer.concat([...pieces.slice(wholePieces), buffer.subarray(at + headerBytes)])
  const highestWhole = highestIn(whole)
  const highest = Math.max(highestWhole, highestIn(rest))
  const highestEpoch = Math.max(highestEpochIn(whole), highestEpochIn(rest))
  if (end === 'whole' && wholePieces < pieces.length) end = 'torn'
  return { end, wholeBytes, highestWhole, highest, highestEpoch }
}

const blockBytes = 32_768
/** Checksum (4 bytes), length (2), type (1). */
const headerBytes = 7
const recordType = { full: 1, first: 2, middle: 3, last: 4 } as const

function judgeRecord(buffer: Buffer, at: number, left: number): LogReading['end'] {
  if (at + headerBytes > buffer.length) return 'torn'
  const length = buffer.readUInt16LE(at + 4)
  const type = buffer[at + 6]!
  if (type === 0) return buffer.subarray(at).every(byte => byte === 0) ? 'torn' : 'damaged'
  if (type > recordType.last || headerBytes + length > left) return 'damaged'
  return at + headerBytes + length > buffer.length ? 'torn' : 'whole'
}

/**
 * The highest position whose entry is put in a batch: a put is the byte 1, the key's length, the
 * key. Neither byte can be part of a commit, since JSON escapes control characters.
 */
function highestIn(batches: Buffer): Position {
  const key = '\u0001\u0012e/'
  let highest = 0
  for (let at = batches.indexOf(key); at !== -1; at = batches.indexOf(key, at + 1)) {
    const found = /^e\/[0-9a-f]{16}$/.exec(batches.toString('latin1', at + 2, at + 20))
    if (found) highest = Math.max(highest, positionOf(found[0]))
  }
  return highest
}

/** The highest epoch that is put in a batch: the key is followed by length, checksum and JSON. */
function highestEpochIn(batches: Buffer): Epoch {
  const key = '\u0001\u0007m/epoch'
  let highest = 0
  for (let at = batches.indexOf(key); at !== -1; at = batches.indexOf(key, at + 1)) {
    const found = /\{"epoch":(\d{1,15})\}/.exec(batches.toString('latin1', at + 9, at + 60))
    if (found) highest = Math.max(highest, Number(found[1]))
  }
  return highest
}

async function logsIn(folder: string): Promise<readonly { name: string; bytes: number }[]> {
  const names = (await readdir(folder)).filter(name => /^\d+\.log$/.test(name)).sort()
  return Promise.all(
    names.map(async name => ({ name, bytes: (await stat(join(folder, name))).size }))
  )
}

/** Links, or copies where the file system has no links; false: the name is there already. */
async function linkFile(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EMLINK') throw thrown
    await copyFile(from, to, constants.COPYFILE_EXCL)
  }
  return true
}
