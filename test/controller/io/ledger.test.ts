import { AssertionError } from 'node:assert/strict'
import test from 'ava'
import { silentLog } from '#shared/log.ts'
import { Ledger } from '../../../controller/io/ledger.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { numbered } from '../../world/numbered-commits.ts'

test('a journal that is not where the view is ends the program', async t => {
  const journal = new FakeJournalDisk().open()
  const signal = new AbortController().signal
  const clock = new FakeClock()
  const ledger = new Ledger({ journal, clock, log: silentLog, signal, onDurable: () => {} })
  await ledger.open(await journal.raiseEpoch())
  const append = journal.append.bind(journal)
  journal.append = async (commit, options) => (await append(commit, options)) + 1
  const end = ledger.commit(numbered(1)).catch(() => ledger.recovered())
  const { message } = await t.throwsAsync(end, { instanceOf: AssertionError })
  t.regex(message, /at different positions/)
  t.truthy(ledger.broken)
  t.is(ledger.view.position, 0)
})
