/** A journal in a database whose candidates are elected by the ensemble. */
import test from 'ava'
import { leased } from '../../../controller/io/journal/leased.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { numbered, read } from '../../world/numbered-commits.ts'

for (const fate of ['refused', 'unknown'] as const) {
  test(`a raise that the ensemble has ${fate} is tried again after recovering`, async t => {
    const [ensemble, database] = [new FakeJournalDisk(), new FakeJournalDisk()]
    await using journal = leased(database.open(), ensemble.open())
    const first = await journal.raiseEpoch()
    await journal.append(numbered(1), { epoch: first })
    database.failNext('unknown')
    await t.throwsAsync(journal.append(numbered(2), { epoch: first }), { code: 'unavailable' })
    database.heal()
    await journal.recover()
    ensemble.failNext(fate)
    await t.throwsAsync(journal.raiseEpoch(), { code: 'unavailable' })
    ensemble.heal()
    await journal.recover()
    const second = await journal.raiseEpoch()
    t.true(second > first)
    t.is(await journal.append(numbered(3), { epoch: second }), 3)
    t.is((await read(journal)).length, 3)
  })
}
