/** A few seeds of the pure cores; `npm run simulate` runs as many as one likes. */
import test from 'ava'
import { runLeanBatch } from './lean/batch.ts'
import { leanMutants } from './lean/mutants.ts'
import { runLean } from './lean/run.ts'

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

for (const mutant of ['read-back-skipped', 'evacuates-on-suspicion', 'boot-ignored']) {
  test.serial(`a seed finds it when ${leanMutants[mutant]!.says}`, async t => {
    t.timeout(600_000)
    const { seed = 1 } = leanMutants[mutant]!
    const which = { first: seed, count: 12, jobs: 1, untilFailed: true }
    const { failed } = await runLeanBatch({ ...which, hosts: 20, seconds: 300, mutant })
    t.is(failed.length, 1)
  })
}
