/** Runs seeds until they are done or one fails: `npm run simulate -- --seed 1 --seeds 100`. */
import { parseArgs } from 'node:util'
import { sometimes } from './oracle.ts'
import { runSeed } from './run.ts'
import type { Counts } from './simulated-cloud.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '100' },
    hosts: { type: 'string', default: '3' },
    candidates: { type: 'string', default: '3' },
    mutant: { type: 'string' }
  }
})
const [first, count, hosts, candidates] = [
  values.seed,
  values.seeds,
  values.hosts,
  values.candidates
].map(Number) as [number, number, number, number]
const sum: Counts = {}
let failed = 0
const startedAt = performance.now()
for (let seed = first; seed < first + count; seed++) {
  const { problems, counts, digest } = await runSeed({
    seed,
    hosts,
    candidates,
    mutant: values.mutant
  })
  for (const [what, by] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + by
  if (count === 1) console.log(`digest ${digest}`)
  if (problems.length === 0) continue
  failed += 1
  const mutant = values.mutant === undefined ? '' : ` --mutant ${values.mutant}`
  console.log(
    `seed ${seed} failed: node test/simulation/main.ts --seed ${seed} --seeds 1 ` +
      `--hosts ${hosts} --candidates ${candidates}${mutant}`
  )
  for (const problem of problems) console.log(`  ${problem}`)
}
const minutes = (performance.now() - startedAt) / 60_000
console.log(JSON.stringify(sum, undefined, 1))
console.log(`${count} seeds, ${failed} failed, ${Math.round(count / minutes)} a minute`)
const missing = sometimes(sum)
if (count >= 100 && missing.length > 0) console.log(`never happened: ${missing.join(', ')}`)
process.exitCode = failed > 0 || (count >= 100 && missing.length > 0) ? 1 : 0
