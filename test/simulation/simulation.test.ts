/** A few seeds of the simulation; `npm run simulate` runs as many as one likes. */
import test from 'ava'
import { replayOf } from './batch.ts'
import { mutants } from './mutants.ts'
import { runSeed } from './run.ts'
import type { Counts } from './simulated-cloud.ts'

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
    t.timeout(170_000)
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

for (const [mutant, { says, seed, isQuick }] of Object.entries(mutants)) {
  if (!isQuick) continue
  test.serial(`seed ${seed} finds it when ${says}`, async t => {
    t.timeout(170_000)
    const { problems } = await runSeed({ seed, ...wish, mutant })
    t.true(problems.length > 0)
  })
}
