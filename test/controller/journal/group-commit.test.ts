import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { waitingMax } from '../../../controller/io/journal/append-queue.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { openLevelStore } from '../../../controller/io/journal/level-store.ts'
import { FaultyStores } from '../../world/faulty-store.ts'
import { numbered, read } from '../../world/numbered-commits.ts'
import { makeFolder } from './folder.ts'

test('commits that come while a write is under way share the next one', async t => {
  await using folder = await makeFolder()
  const stores = new FaultyStores(openLevelStore)
  await using journal = await openLevelJournal(folder.path, { openStore: stores.open })
  const epoch = await journal.raiseEpoch()
  const before = stores.writes.length
  const first = journal.append(numbered(1), { epoch })
  await Promise.resolve()
  const others = Array.from({ length: 100 }, (_, at) => journal.append(numbered(at + 2), { epoch }))
  await Promise.all([first, ...others])
  const sizes = stores.writes.slice(before).map(writes => writes.length)
  t.is(
    sizes.reduce((sum, size) => sum + size),
    101
  )
  t.true(sizes.length <= 2, `${sizes.length} writes of ${sizes} commits`)
})

test('a write holds no more than its limits', async t => {
  await using folder = await makeFolder()
  const stores = new FaultyStores(openLevelStore)
  await using journal = await openLevelJournal(folder.path, { openStore: stores.open })
  const epoch = await journal.raiseEpoch()
  const before = stores.writes.length
  const long = 'x'.repeat(500_000)
  const numbers = Array.from({ length: 10 }, (_, at) => at + 1)
  await Promise.all(numbers.map(number => journal.append(numbered(number, long), { epoch })))
  const sizes = stores.writes.slice(before).map(writes => writes.length)
  t.deepEqual(sizes, [4, 4, 2], '2 MiB at most')
})

test('a disk that does not answer fails all that wait, and a full queue says so', async t => {
  await using folder = await makeFolder()
  const stores = new FaultyStores(openLevelStore)
  const options = { openStore: stores.open, writeMsMax: 3_000 }
  await using journal = await openLevelJournal(folder.path, options)
  const epoch = await journal.raiseEpoch()
  stores.failNext('hanging')
  const outcomes: Promise<unknown>[] = [journal.append(numbered(0), { epoch }).catch(e => e)]
  await Promise.resolve()
  for (let number = 1; number <= waitingMax; number++) {
    outcomes.push(journal.append(numbered(number), { epoch }).catch(e => e))
  }
  const surplus = await t.throwsAsync(journal.append(numbered(1), { epoch }), { instanceOf: Fault })
  t.is(surplus?.code, 'unavailable')
  t.regex(
    surplus!.message,
    /^cannot append to the journal: 8192 commits of \d+ bytes wait already$/
  )

  const faults = (await Promise.all(outcomes)) as Fault[]
  t.deepEqual(new Set(faults.map(fault => fault.code)), new Set(['unavailable']))
  t.deepEqual(faults[0]?.reasons, ['the disk has not answered for 3000 ms'])
  stores.heal()
  t.is(await journal.recover(), 1, 'the disk had written the first one after all')
  t.is((await read(journal)).length, 1)
})
