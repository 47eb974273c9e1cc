import test from 'ava'
import { failedTitles, filesToRepeat } from '../../../tools/check/second-look.ts'

const files = [
  'test/agent/probes.test.ts',
  'test/controller/api/events.test.ts',
  'test/controller/api/chances.test.ts',
  'test/controller/core/decide.test.ts',
  'test/controller/mesh/mesh.test.ts',
  'test/controller/mesh/security.test.ts',
  'test/lab/lab.test.ts',
  'test/lab/lab/lab.test.ts',
  'test/lab/locks.test.ts',
  'test/scenarios/cold-start.test.ts'
]

const textOf = (file: string) => (file.includes('chances') ? "from 'fast-check'" : '')
const fails = (...titles: readonly string[]) => titles.map(title => `  ✘ [fail]: ${title} (1.2s)`)

for (const [title, report, failed, expected] of [
  ['nothing failed: nothing is run again', [], 0],
  [
    'a test with real sockets is',
    fails('controller › mesh › mesh › what is said arrives'),
    1,
    ['test/controller/mesh/mesh.test.ts']
  ],
  ['one that keeps strangers out is not', fails('controller › mesh › security › an impostor'), 1],
  ['one that draws its cases by chance is not', fails('controller › api › chances › any'), 1],
  ['one of the agent is not', fails('agent › probes › a look'), 1],
  [
    'two of one file are run again together, and the folder of the same name is not confused',
    fails('lab › lab › one', 'lab › lab › two'),
    2,
    ['test/lab/lab.test.ts']
  ],
  ['one in virtual time is not', fails('scenarios › cold-start › all come back'), 1],
  ['one of a core is not', fails('controller › core › decide › it decides'), 1],
  ['one that guards the only copy is not', fails('lab › locks › the second waits'), 1],
  [
    'one that may not be run again keeps all others from it',
    fails('lab › locks › the second waits', 'controller › api › events › a look'),
    2
  ],
  ['a test that never ended is not', fails('controller › api › events › a look'), 2],
  ['a test of no known file is not', fails('elsewhere › a look'), 1]
] as const) {
  test(title, t => {
    t.deepEqual(filesToRepeat(report, { failed, files, textOf }), expected && [...expected])
  })
}

test('more failed files than a few are no accident', t => {
  const many = ['a', 'b', 'c', 'd'].map(name => `test/bootd/${name}.test.ts`)
  const all = [...many, 'test/lab/e.test.ts']
  const report = ['a', 'b', 'c', 'd'].flatMap(name => fails(`bootd › ${name} › it works`))
  t.is(filesToRepeat(report, { failed: 4, files: all, textOf }), undefined)
  t.is(filesToRepeat(report.slice(1), { failed: 3, files: all, textOf })?.length, 3)
})

test('titles are those of tests that failed, not of those that were running', t => {
  t.deepEqual(failedTitles(['  ✔ a › b', '  ✘ [fail]: a › c', '  ◌ a › d', '    - a › e']), [
    'a › c'
  ])
})
