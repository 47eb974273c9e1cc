/**
 * LevelDB's log, cut off or damaged anywhere: what is found is always the beginning of what was
 * written, and what is gone is reported.
 */
import { cp, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import type { Entry } from '../../../controller/core/ports.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { numbered, read } from '../../world/numbered-commits.ts'
import { makeFolder } from './folder.ts'

const seed = 20_260_101
const runs = 40
const entriesWritten = 60

/** A closed journal whose entries are all in LevelDB's log, some longer than its blocks. */
async function writeJournal(path: string): Promise<readonly Entry[]> {
  await using journal = await openLevelJournal(path)
  const epoch = await journal.raiseEpoch()
  for (let number = 1; number <= entriesWritten; number++) {
    await journal.append(numbered(number, 'x'.repeat((number * 7919) % 9_000)), { epoch })
  }
  return await read(journal)
}

async function logOf(path: string): Promise<string> {
  const store = join(path, 'store')
  const name = (await readdir(store)).find(other => other.endsWith('.log'))!
  return join(store, name)
}

test('a log that ends anywhere gives the beginning of what was written', async t => {
  await using folder = await makeFolder()
  const whole = join(folder.path, 'whole')
  const written = await writeJournal(whole)
  const length = (await readFile(await logOf(whole))).length
  let tornOnes = 0
  const check = async (at: number, run: number) => {
    const path = join(folder.path, `run-${run}`)
    await cp(whole, path, { recursive: true })
    await truncate(await logOf(path), at)
    const outcome = await openLevelJournal(path).catch((fault: Fault) => fault)
    if (outcome instanceof Fault) {
      t.is(outcome.code, 'corrupt')
      t.true(at < 200, `refused although ${at} bytes are left: ${outcome.message}`)
      return
    }
    await using journal = outcome
    t.deepEqual(await read(journal), written.slice(0, journal.head()))
    const { cut } = journal.opening
    if (cut) tornOnes += 1
    if (cut) t.regex(cut.because, /^the last write to \d+\.log was torn/)
    if (cut) t.is(cut.entries, 1)
    await journal.append(numbered(0), { epoch: await journal.raiseEpoch() })
  }
  let run = 0
  const offsets = fc.integer({ min: 0, max: length })
  await fc.assert(
    fc.asyncProperty(offsets, at => check(at, ++run)),
    { seed, numRuns: runs }
  )
  t.true(tornOnes > runs / 2, `${tornOnes} of ${run} were torn within an entry`)
})

test('a damaged byte in the log never passes unnoticed', async t => {
  await using folder = await makeFolder()
  const whole = join(folder.path, 'whole')
  const written = await writeJournal(whole)
  const length = (await readFile(await logOf(whole))).length
  const check = async (at: number, bit: number, run: number) => {
    const path = join(folder.path, `run-${run}`)
    await cp(whole, path, { recursive: true })
    const bytes = await readFile(await logOf(path))
    bytes[at]! ^= 1 << bit
    await writeFile(await logOf(path), bytes)
    const outcome = await openLevelJournal(path).catch((fault: Fault) => fault)
    if (outcome instanceof Fault) {
      t.is(outcome.code, 'corrupt')
      t.true(at < 40_000, `refused although the first block is whole: ${outcome.message}`)
      return
    }
    await using journal = outcome
    const head = journal.head()
    t.deepEqual(await read(journal), written.slice(0, head))
    if (head === entriesWritten) return
    t.is(journal.opening.cut?.entries, entriesWritten - head)
    const folders = await readdir(join(path, 'quarantine'))
    const kept = await Promise.all(folders.map(name => readdir(join(path, 'quarantine', name))))
    t.true(
      kept.flat().some(name => name.includes('.log')),
      'the damaged log is kept'
    )
  }
  let run = 0
  const places = [fc.integer({ min: 0, max: length - 1 }), fc.integer({ min: 0, max: 7 })] as const
  const property = fc.asyncProperty(...places, (at, bit) => check(at, bit, ++run))
  await fc.assert(property, { seed, numRuns: runs })
})
