/** A few seeds of the pure cores; `npm run simulate` runs as many as one likes. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { runLeanBatch } from './lean/batch.ts'
import { leanMutants } from './lean/mutants.ts'
import { runLean } from './lean/run.ts'
import { sourceMutants } from './source-mutants.ts'

const size = { hosts: 10, seconds: 200 }

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test.serial(`a cloud heals as it promises under the faults of seed ${seed}`, t => {
    t.timeout(600_000)
    const { problems, counts } = runLean({ seed, ...size })
    t.deepEqual(problems, [])
    t.true((counts['reigns'] ?? 0) > 0)
  })
}

test.serial('equal seeds decide equally, whichever ran before', t => {
  const one = runLean({ seed: 3, ...size })
  runLean({ seed: 4, ...size })
  t.is(runLean({ seed: 3, ...size }).digest, one.digest)
})

test.serial('bundled, the program decides as its sources do', async t => {
  t.timeout(600_000)
  const runs: string[] = []
  const which = { first: 3, count: 1, jobs: 1, isBundled: true }
  await runLeanBatch({ ...which, ...size }, ({ digest }) => runs.push(digest))
  t.deepEqual(runs, [runLean({ seed: 3, ...size }).digest])
})

test('every mistake can still be put in: its words are there, once', t => {
  for (const [name, { file, from }] of Object.entries({ ...sourceMutants, ...leanMutants })) {
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    t.is(text.split(from).length, 2, name)
  }
})

const quick = [
  ...['read-back-skipped', 'evacuates-on-suspicion', 'boot-ignored', 'starts-after-cut-off'],
  ...['order-of-another-boot-taken', 'writes-ignored']
]

for (const mutant of quick) {
  test.serial(`a seed finds it when ${leanMutants[mutant]!.says}`, async t => {
    t.timeout(600_000)
    const { seed = 1 } = leanMutants[mutant]!
    const which = { first: seed, count: 12, jobs: 1, untilFailed: true }
    const problems: string[] = []
    const batch = { ...which, hosts: 20, seconds: 300, mutant }
    const { failed } = await runLeanBatch(batch, run => problems.push(...run.problems))
    t.is(failed.length, 1)
    // One that cannot even be run is not found.
    t.deepEqual(
      problems.filter(problem => /process that ran it ended|a mistake:/.test(problem)),
      []
    )
  })
}
