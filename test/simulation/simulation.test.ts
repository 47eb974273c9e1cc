/** A few seeds of the simulation; `npm run simulate` runs as many as one likes. */
import test from 'ava'
import { replayOf, runBatch } from './batch.ts'
import { mutants } from './mutants.ts'
import { runSeed } from './run.ts'
import type { Counts } from './simulated-cloud.ts'
import { sourceMutants } from './source-mutants.ts'

const seeds = [1, 2, 3, 4, 5, 6]
const sum: Counts = {}

/** What these seeds are known to bring about; a batch without it shows nothing. */
const sometimes = [
  'acknowledged',
  'unknown outcomes',
  'take-overs',
  'candidates ended',
  'verb move'
]

const wish = { hosts: 3, candidates: 3, seconds: 25 }

for (const seed of seeds) {
  test.serial(`a cloud keeps its promises under the faults of seed ${seed}`, async t => {
    t.timeout(600_000)
    const { problems, counts } = await runSeed({ seed, ...wish })
    for (const [what, by] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + by
    t.deepEqual(problems, [], replayOf({ seed, ...wish }))
  })
}

test.serial('under the faults of these seeds happens what must be lived through', t => {
  t.deepEqual(
    sometimes.filter(what => !sum[what]),
    [],
    JSON.stringify(sum)
  )
})

for (const [mutant, { says, seed = 1, isQuick }] of Object.entries({
  ...mutants,
  ...sourceMutants
})) {
  if (!isQuick) continue
  test.serial(`a seed finds it when ${says}`, async t => {
    t.timeout(600_000)
    const batch = { first: seed, count: 12, untilFailed: true, jobs: 1, wish: { ...wish, mutant } }
    const { failed } = await runBatch(batch, () => {})
    t.is(failed, 1)
  })
}
