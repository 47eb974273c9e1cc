/** The journal under chaos, in its short form; the long one is `npm run chaos -- journal`. */
import test from 'ava'
import { runJournalChaos } from '../../tools/chaos/journal.ts'

test('no acknowledged commit is lost on any server while all are killed and stopped', async t => {
  t.timeout(300_000)
  const { violations, missing, counts } = await runJournalChaos({
    seed: 7,
    sessionMs: 3_000,
    journal: 'zookeeper',
    // It goes on for longer only while something has not happened yet.
    lastsMs: [15_000, 90_000],
    everyMs: [500, 1_500],
    wanted: ['takeOvers', 'unknown', 'deposedAttempts'],
    print: said => t.log(said),
    signal: new AbortController().signal
  })
  t.deepEqual(violations, [])
  t.deepEqual(missing, [])
  t.true(counts.acknowledged > 0)
})
