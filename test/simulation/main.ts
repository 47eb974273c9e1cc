/** Runs seeds, as many at once as there are processors: `npm run simulate -- --seeds 100`. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { replayOf, runBatch } from './batch.ts'
import { sometimes } from './oracle.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '100' },
    hosts: { type: 'string', default: '3' },
    candidates: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '25' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    mutant: { type: 'string' },
    'until-failed': { type: 'boolean', default: false }
  }
})
const { mutant, 'until-failed': untilFailed } = values
const [first, count] = [Number(values.seed), Number(values.seeds)]
const wish = {
  hosts: Number(values.hosts),
  candidates: Number(values.candidates),
  seconds: Number(values.seconds),
  mutant
}
const startedAt = performance.now()
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
const { signal } = stop
const { sum, ran, failed } = await runBatch(
  { first, count, jobs: Math.min(count, Number(values.jobs)), wish, untilFailed, signal },
  ({ seed, problems, digest }) => {
    if (count === 1) console.log(`digest ${digest}`)
    if (problems.length === 0) return
    console.log(`seed ${seed} failed: ${replayOf({ seed, ...wish })}`)
    for (const problem of problems) console.log(`  ${problem}`)
  }
)
const minutes = (performance.now() - startedAt) / 60_000
console.log(JSON.stringify(sum, undefined, 1))
console.log(`${ran} seeds, ${failed} failed, ${Math.round(ran / minutes)} a minute`)
const missing = sometimes(sum)
if (ran >= 100 && missing.length > 0) console.log(`never happened: ${missing.join(', ')}`)
process.exitCode = failed > 0 || (ran >= 100 && missing.length > 0) ? 1 : 0
