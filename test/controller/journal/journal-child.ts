/**
 * A process of its own with a journal, for tests that kill it, lock it out or fill its disk.
 * Arguments: what to do, the journal's folder. It says on stdout, line by line, what happened.
 */
import { appendFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import type { Position } from '../../../controller/core/ports.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { numbered, read } from '../../world/numbered-commits.ts'

const [task = '', folder = ''] = process.argv.slice(2)

/** Says something so that it is out before anything else happens, even when we are killed. */
const say = (words: unknown): void => {
  writeSync(1, `${JSON.stringify(words)}\n`)
}

/** Appends from many callers until it is killed, and says each position as it is acknowledged. */
async function appendForEver(keep: (number: number) => void = () => {}): Promise<void> {
  const journal = await openLevelJournal(folder)
  const epoch = await journal.raiseEpoch()
  let number = journal.head()
  const caller = async () => {
    for (;;) {
      number += 1
      const mine = number
      keep(mine)
      const position = await journal.append(commitOf(mine), { epoch })
      say({ position, number: mine })
    }
  }
  await Promise.all(Array.from({ length: 32 }, caller))
}

/** The same, and forgets nothing: until its heap is full. */
async function hoardForEver(): Promise<void> {
  const hoard: number[][] = []
  await appendForEver(number => hoard.push(Array.from({ length: 4_000 }, () => number + 0.5)))
}

/** Between nothing and 40,000 bytes, so that records cross LevelDB's blocks in every way. */
const commitOf = (number: number) => numbered(number, 'x'.repeat((number * 7919) % 40_000))

async function hold(): Promise<void> {
  const journal = await openLevelJournal(folder)
  say({ opened: journal.opening.head })
  process.stdin.resume()
  process.stdin.once('end', () => process.exit(0))
}

async function openOnly(): Promise<void> {
  try {
    await using journal = await openLevelJournal(folder)
    say({ opened: journal.opening.head })
  } catch (thrown) {
    say(faultOf(thrown))
  }
}

/** Fills the disk with commits, frees some room and goes on; then reads all of it back. */
async function fillDisk(): Promise<void> {
  const ballast = join(folder, 'ballast')
  writeFileSync(ballast, Buffer.alloc(24 * 2 ** 20, 1))
  const acknowledged: Position[] = []
  {
    await using journal = await openLevelJournal(join(folder, 'journal'))
    const epoch = await journal.raiseEpoch()
    const append = async (number: number) => {
      acknowledged.push(await journal.append(commitOf(number), { epoch }))
    }
    let number = 0
    const failures: unknown[] = []
    while (failures.length === 0) {
      const many = Array.from({ length: 16 }, () => append(++number).catch(e => failures.push(e)))
      await Promise.all(many)
    }
    const { bavail, bsize } = statfsSync(folder)
    say({
      step: 'full',
      failed: failures.length,
      freeBytes: bavail * bsize,
      ...faultOf(failures[0])
    })
    // A store that closes removes what it needs no longer, and that may be room enough to open.
    const rest = join(folder, 'rest')
    let still: unknown = 0
    for (let round = 0; round < 10 && typeof still === 'number'; round += 1) {
      fill(rest)
      await append(++number).catch(() => {})
      still = await journal.recover().catch(e => e)
    }
    say({ step: 'still full', ...faultOf(still) })
    for (const path of [ballast, rest]) rmSync(path)
    say({ step: 'recovered', acknowledged: acknowledged.at(-1), head: await journal.recover() })
    for (let more = 0; more < 10; more++) await append(++number)
  }
  await using journal = await openLevelJournal(join(folder, 'journal'))
  const stored = new Set((await read(journal)).map(entry => entry.position))
  const missing = acknowledged.filter(position => !stored.has(position))
  say({ step: 'read', missing, acknowledged: acknowledged.length, cut: journal.opening.cut })
}

/** Writes until there is no room left. */
function fill(path: string): void {
  const chunk = Buffer.alloc(64 * 1024, 1)
  try {
    for (;;) appendFileSync(path, chunk)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
  }
}

function faultOf(thrown: unknown) {
  if (!(thrown instanceof Fault)) return { thrown: String(thrown) }
  const { code, message, reasons, next } = thrown
  return { code, message, reasons, next }
}

const tasks: Readonly<Record<string, () => Promise<void>>> = {
  appendForEver: () => appendForEver(),
  hoardForEver,
  hold,
  openOnly,
  fillDisk
}
await tasks[task]!()
