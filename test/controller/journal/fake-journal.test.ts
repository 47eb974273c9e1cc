import test from 'ava'
import { type SharedJournalBed, sharedSuite } from '../../contracts/journal.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { numbered, read } from '../../world/numbered-commits.ts'

sharedSuite('the fake journal', async () => {
  const disk = new FakeJournalDisk()
  return {
    shared: true,
    open: async () => disk.open(),
    failNext: fate => disk.failNext(fate),
    heal: () => disk.heal(),
    [Symbol.asyncDispose]: async () => {}
  } satisfies SharedJournalBed
})

test('what the fake journal had not written when it crashed is lost', async t => {
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const epoch = await journal.raiseEpoch()
  await journal.append(numbered(1), { epoch })
  disk.hold()
  void journal.append(numbered(2), { epoch })
  journal.crash()
  disk.release()
  const again = disk.open()
  t.is(again.opening.head, 1)
  t.deepEqual(
    (await read(again)).map(entry => entry.commit),
    [numbered(1)]
  )
})

test('the fake journal reports a torn tail at the next opening', async t => {
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const epoch = await journal.raiseEpoch()
  for (const number of [1, 2, 3]) await journal.append(numbered(number), { epoch })
  disk.corruptTail(2)
  t.deepEqual(disk.open().opening, {
    head: 1,
    epoch: 1,
    cut: { entries: 2, because: 'entry 2 is damaged: its checksum differs' }
  })
})
