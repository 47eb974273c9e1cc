/** How long a host waits between two knocks. */
import test from 'ava'
import { firstPauses, pauseAfter, pausesAfter } from '../../agent/io/door.ts'

type Verdict = Parameters<typeof pauseAfter>[0]

const rows: readonly (readonly [string, readonly Verdict[], readonly number[]])[] = [
  [
    'an operator may decide at once, so it is soon asked again, and then every 5 s',
    ['pending', 'pending', 'pending', 'pending', 'pending'],
    [1_000, 2_000, 4_000, 5_000, 5_000]
  ],
  [
    'who gets no answer waits longer each time, up to 30 s',
    ['unanswered', 'declined', 'unanswered', 'unanswered', 'unanswered', 'unanswered'],
    [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]
  ],
  [
    'a door that answers ends the waits of silence',
    ['unanswered', 'unanswered', 'pending', 'unanswered'],
    [1_000, 2_000, 1_000, 1_000]
  ],
  ['who is refused waits 30 s', ['refused', 'refused'], [30_000, 30_000]]
]

for (const [title, verdicts, expected] of rows) {
  test(title, t => {
    let pauses = firstPauses
    const waited = verdicts.map(verdict => {
      const pauseMs = pauseAfter(verdict, pauses)
      pauses = pausesAfter(verdict, pauses)
      return pauseMs
    })
    t.deepEqual(waited, expected)
  })
}
