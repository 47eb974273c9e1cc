import test from 'ava'
import { countTests, kindOf, sum } from '../../../tools/check/ava-output.ts'

const report = `
  Uncaught exception in b.test.ts

   1: import test from 'ava'

  ✘ b.test.ts exited with a non-zero exit code: 1
  - [skip] a › skipped
  - [todo] a › later
  ✔ a › good
  ✔ a › slow (104ms)
    ℹ what a test says with t.log
  ✘ [fail]: a › bad
  ✔ [expected fail] a › expected
  ✘ No tests found in d.test.ts, make sure to import "ava" at the top of your test file

  ✘ Timed out while running tests

  1 test was pending in e.test.ts

  ◌ e › hangs

  ─

  a › bad

  Difference (- actual, + expected):

  ✔ a line of a value that was compared
  ✘ another

  ─

  1 test failed
`

test('every line that stands for a test is counted, and details are not', t => {
  t.deepEqual(countTests(report, 1), { passed: 3, failed: 5, skipped: 2 })
})

for (const [what, text, code, outcome] of [
  ['all went well', '  ✔ a › good\n  ─\n\n  1 test passed\n', 0, [1, 0]],
  ['ended badly and no test failed', '  ✔ a › good\n', 1, [1, 1]],
  ['was killed', '  ✔ a › good\n', undefined, [1, 1]],
  ['ended well without a test', '', 0, [0, 1]],
  ['only skipped', '  - [skip] a › skipped\n', 0, [0, 0]],
  ['failed but ended well', '  ✘ [fail]: a › bad\n', 0, [0, 1]]
] as const) {
  test(`a run that ${what} counts ${outcome[0]} passed and ${outcome[1]} failed`, t => {
    const { passed, failed } = countTests(text, code)
    t.deepEqual([passed, failed], [...outcome])
  })
}

test('a terminal without Unicode has other marks', t => {
  t.is(kindOf('  √ a › good'), 'passed')
  t.is(kindOf('  × [fail]: a › bad'), 'failed')
})

test('outcomes add up', t => {
  t.deepEqual(sum([]), { passed: 0, failed: 0, skipped: 0 })
  t.deepEqual(sum([countTests(report, 1), { passed: 1, failed: 0, skipped: 0 }]), {
    passed: 4,
    failed: 5,
    skipped: 2
  })
})
