/**
 * What an instance has written to a disk that all hosts share, and whether two of it ever wrote at
 * once. Each sector is one record, and a writer appends: it looks for the first empty sector,
 * writes there, and looks again. So where two write, their records alternate, or one goes over
 * another's.
 *
 *     start=3/141 boot=… host=h2 count=17 up=12.34      of start 141 in epoch 3
 *
 * `start` is the fencing token that the instance was given (agent/core/domain-xml-machine.ts), and
 * `boot` the boot id of its own kernel, which also a live migration does not change. Pure.
 */

/** So long is a record, and so much is written at once. Unit: bytes. */
export const recordBytes = 512

/** One record of a writer. */
export type DiskRecord = {
  /** Epoch and generation of the order that it was started by. */
  readonly start: readonly [epoch: number, generation: number]
  readonly boot: string
  /** Host that it was started on. */
  readonly host: string
  /** Counts from 1 in each boot. */
  readonly count: number
  /** Its own monotonic clock. Unit: s. */
  readonly up: number
}

/** What was found on a disk. */
export type DiskVerdict = {
  /** Empty: no two writers overlapped. */
  readonly violations: readonly string[]
  readonly records: number
  /** Boots that wrote, the oldest first. */
  readonly lives: readonly DiskLife[]
}

/** All that one boot of an instance wrote. */
export type DiskLife = Pick<DiskRecord, 'start' | 'boot' | 'host'> & {
  /** Place of its first record. */
  readonly from: number
  readonly records: number
}

const pattern =
  /^start=(\d+)\/(\d+) boot=([0-9a-f-]{36}) host=([a-z0-9-]+) count=(\d+) up=(\d+(?:\.\d+)?) *\n$/
/** Examples that are told of what is wrong; the rest is counted. */
const examplesMax = 5

/** Reads all records up to the first empty sector; undefined stands for one that is none. */
export function readRecords(bytes: Buffer): readonly (DiskRecord | undefined)[] {
  const records: (DiskRecord | undefined)[] = []
  for (let at = 0; at + recordBytes <= bytes.length && bytes[at] !== 0; at += recordBytes) {
    records.push(readRecord(bytes.toString('latin1', at, at + recordBytes)))
  }
  return records
}

/** Reads one record; undefined: it is none. */
export function readRecord(text: string): DiskRecord | undefined {
  const [, epoch, generation, boot, host, count, up] = pattern.exec(text) ?? []
  if (boot === undefined || host === undefined) return undefined
  const start = [Number(epoch), Number(generation)] as const
  return { start, boot, host, count: Number(count), up: Number(up) }
}

/** Says whether ever two wrote at once, or one after it was succeeded. */
export function judgeDisk(records: readonly (DiskRecord | undefined)[]): DiskVerdict {
  const lives: (DiskLife & { readonly last: DiskRecord })[] = []
  const wrong: string[] = []
  for (const [at, record] of records.entries()) {
    if (record === undefined) {
      wrong.push(`record ${at} cannot be read`)
      continue
    }
    const life = lives.at(-1)
    if (life?.boot === record.boot) {
      wrong.push(...breaks(life.last, record).map(text => `record ${at}: ${text}`))
      lives[lives.length - 1] = { ...life, records: life.records + 1, last: record }
      continue
    }
    wrong.push(...succession(lives, record).map(text => `record ${at}: ${text}`))
    const { start, boot, host } = record
    lives.push({ start, boot, host, from: at, records: 1, last: record })
  }
  return { violations: shortened(wrong), records: records.length, lives: lives.map(withoutLast) }
}

/** What must hold between two records of one life that follow each other. */
function breaks(before: DiskRecord, { start, count, up, host }: DiskRecord): readonly string[] {
  return [
    ...(count === before.count + 1 ? [] : [`count ${count} after ${before.count}: some were lost`]),
    ...(up >= before.up ? [] : [`its clock went back from ${before.up} to ${up} s`]),
    ...(later(before.start, start) === 0 && before.host === host ? [] : ['one boot, two starts'])
  ]
}

/** What must hold when another life begins to write. */
function succession(lives: readonly DiskLife[], record: DiskRecord): readonly string[] {
  const { start, boot, host, count } = record
  const before = lives.at(-1)
  const wrong: string[] = []
  if (lives.some(life => life.boot === boot)) {
    wrong.push(`${host} writes on (start ${start.join('/')}) after ${nameOf(before!)} began`)
  } else if (count !== 1) {
    wrong.push(`the first record of start ${start.join('/')} on ${host} has count ${count}`)
  }
  if (before === undefined) return wrong
  const order = later(before.start, start)
  if (order < 0) wrong.push(`start ${start.join('/')} on ${host} after ${nameOf(before)}`)
  if (order === 0 && before.host !== host) {
    wrong.push(`start ${start.join('/')} on ${host} and on ${before.host}`)
  }
  return wrong
}

/** Above 0: the second is of a later order. */
const later = (one: DiskRecord['start'], other: DiskRecord['start']): number =>
  other[0] - one[0] || other[1] - one[1]

const nameOf = ({ start, host }: DiskLife): string => `start ${start.join('/')} on ${host}`

const withoutLast = ({ start, boot, host, from, records }: DiskLife): DiskLife => ({
  start,
  boot,
  host,
  from,
  records
})

const shortened = (found: readonly string[]): readonly string[] =>
  found.length <= examplesMax
    ? found
    : [...found.slice(0, examplesMax), `… and ${found.length - examplesMax} more like these`]
