/** Cutting off what does not follow, and finding out what LevelDB has skipped by itself. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '#shared/log.ts'
import type { JournalOpening, Position } from '../../core/ports.ts'
import { entryKey, entryKeyLast } from './entry-codec.ts'
import { type LogReading, readLog } from './level-files.ts'
import type { Places } from './places.ts'
import { openQuarantine, writeDurably } from './quarantine.ts'
import type { Store } from './store.ts'

/** What is gone; `torn`: only a last write that nobody was told had succeeded. */
export type Cut = NonNullable<JournalOpening['cut']> & { readonly torn: boolean }

/** What the walk along the chain has found. */
export type Tail = {
  /** The last entry that holds. */
  readonly head: Position
  /** Why the next one does not; undefined: there is none. */
  readonly problem: string | undefined
  /** Why the store had to be repaired. */
  readonly repaired: string | undefined
  /** LevelDB's logs as they were before it was opened. */
  readonly logs: readonly HeldLog[]
}

/** One of LevelDB's logs as it was before LevelDB made a table of it. */
export type HeldLog = {
  readonly name: string
  readonly bytes: Buffer
  readonly reading: LogReading
}

/** Reads LevelDB's logs by the names that they were given before it was opened. */
export async function readHeldLogs({ held }: Places): Promise<readonly HeldLog[]> {
  const logs: HeldLog[] = []
  for (const name of await readdir(held)) {
    const bytes = await readFile(join(held, name))
    logs.push({ name, bytes, reading: readLog(bytes) })
  }
  return logs
}

/** Entries that are removed in one write. */
const removedMax = 1000

/** Makes the store end with the last entry that holds; says what is gone and where it is now. */
export async function cutTail(
  store: Store,
  tail: Tail,
  { places, log }: { readonly places: Places; readonly log: Log }
): Promise<Cut | undefined> {
  const cuts: Cut[] = []
  if (tail.repaired !== undefined) {
    const because = `the store was damaged and is repaired: ${tail.repaired}`
    cuts.push({ entries: 0, because, torn: false })
  }
  if (tail.problem !== undefined) cuts.push(await cutEntries(store, tail, places))
  const skipped = await skippedInLogs(tail, places)
  if (skipped) cuts.push(skipped)
  await rm(places.held, { recursive: true, force: true })
  if (cuts.length === 0) return undefined
  const entries = Math.max(...cuts.map(cut => cut.entries))
  const because = cuts.map(cut => cut.because).join('; ')
  const fields = { journal: places.path, head: tail.head, entries, because }
  const torn = cuts.every(cut => cut.torn)
  if (torn) log.warn('journal tail was torn', fields)
  else log.error('journal was damaged', fields)
  return { entries, because, torn }
}

async function cutEntries(store: Store, { head, problem }: Tail, { path }: Places): Promise<Cut> {
  const folder = await openQuarantine(path, { kind: 'corrupt', because: problem! })
  const keys: string[] = []
  async function* lines() {
    for await (const page of store.range({ after: entryKey(head), upTo: entryKeyLast })) {
      for (const { key, bytes } of page) {
        keys.push(key)
        yield `${JSON.stringify({ key, base64: Buffer.from(bytes).toString('base64') })}\n`
      }
    }
  }
  const entries = await writeDurably(join(folder, 'entries.jsonl'), lines())
  // From the end: should this stop half-way, the next opening still finds the first one in the way.
  for (keys.reverse(); keys.length > 0; ) {
    await store.write(keys.splice(0, removedMax).map(key => ({ op: 'remove', key })))
  }
  const because = `${problem}; ${entries} entries after ${head} are in ${folder}`
  return { entries, because, torn: false }
}

/** Compares the entries that LevelDB's logs mention with those that it gave. */
async function skippedInLogs(
  { head, problem, logs }: Tail,
  { path }: Places
): Promise<Cut | undefined> {
  const missing = logs.filter(({ reading }) => reading.highest > head)
  if (missing.length === 0) {
    if (problem === undefined) return undefined
    await keepLogs(logs, await openQuarantine(path, { kind: 'corrupt', because: problem }))
    return undefined
  }
  const torn = problem === undefined && missing.every(({ reading }) => isTorn(reading, head))
  const files = missing.map(({ name }) => name).join(', ')
  const because = torn
    ? `the last write to ${files} was torn, and had been acknowledged to nobody`
    : `LevelDB skipped damaged bytes in ${files}`
  const folder = await openQuarantine(path, { kind: torn ? 'torn' : 'corrupt', because })
  if (torn) await keepTornEnds(missing, folder)
  else await keepLogs(logs, folder)
  const entries = Math.max(...missing.map(({ reading }) => reading.highest)) - head
  return { entries, because: `${because}; the bytes are in ${folder}`, torn }
}

/** A torn write is the last one of its log, and no whole record says more than the store gave. */
const isTorn = (reading: LogReading, head: Position): boolean =>
  reading.end === 'torn' && reading.highestWhole <= head

async function keepLogs(logs: readonly HeldLog[], folder: string): Promise<void> {
  for (const { name, bytes } of logs) await writeDurably(join(folder, name), [bytes])
}

async function keepTornEnds(logs: readonly HeldLog[], folder: string): Promise<void> {
  for (const { name, bytes, reading } of logs) {
    const file = join(folder, `${name}.from-${reading.wholeBytes}`)
    await writeDurably(file, [bytes.subarray(reading.wholeBytes)])
  }
}
