import test, { type ExecutionContext } from 'ava'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { numbered } from '../../world/numbered-commits.ts'
import { Child } from './child.ts'
import { makeFolder } from './folder.ts'

const rounds = 6
/** Acknowledgements after which the process is killed, one for each round. */
const killedAfter = [1, 40, 171, 333, 512, 800]

test('a process that is killed loses no acknowledged entry and leaves no partial one', async t => {
  await using folder = await makeFolder()
  const acknowledged = new Map<number, number>()
  for (let round = 0; round < rounds; round++) {
    await appendUntil(killedAfter[round]!, folder.path, acknowledged)
    t.is(await epochAfter(t, folder.path, acknowledged), round + 1)
  }
})

test('a process whose heap is full ends, and loses no acknowledged entry', async t => {
  await using folder = await makeFolder()
  const acknowledged = new Map<number, number>()
  for (let round = 0; round < 2; round++) {
    await using child = new Child('hoardForEver', folder.path, { heapMib: 24, isQuiet: true })
    for await (const { position, number } of child.lines()) {
      acknowledged.set(position as number, number as number)
    }
    t.is(await child.endedBy(), 'SIGABRT')
    t.true(acknowledged.size > 100 * (round + 1), `${acknowledged.size} were acknowledged`)
    t.is(await epochAfter(t, folder.path, acknowledged), round + 1)
  }
})

/** Compares what is kept with what was acknowledged; gives the epoch that was raised last. */
async function epochAfter(
  t: ExecutionContext,
  folder: string,
  acknowledged: ReadonlyMap<number, number>
): Promise<number> {
  await using journal = await openLevelJournal(folder)
  const stored = new Map<number, string>()
  for await (const { position, commit } of journal.entries(0)) {
    stored.set(position, commit.decisions[0]!.because.replace(/x*$/, ''))
  }
  t.deepEqual(
    [...stored.keys()],
    Array.from({ length: journal.head() }, (_, at) => at + 1)
  )
  for (const [position, number] of acknowledged) {
    t.is(stored.get(position), numbered(number).decisions[0]!.because)
  }
  t.regex(journal.opening.cut?.because ?? 'torn', /torn/, 'only what was being written is cut')
  return journal.opening.epoch
}

/** Runs the process until so many appends were acknowledged, kills it, and notes all of them. */
async function appendUntil(
  count: number,
  folder: string,
  acknowledged: Map<number, number>
): Promise<void> {
  await using child = new Child('appendForEver', folder)
  let heard = 0
  for await (const { position, number } of child.lines()) {
    acknowledged.set(position as number, number as number)
    heard += 1
    if (heard === count) child.process.kill('SIGKILL')
  }
}
