/**
 * Runs seeds, as many at once as there are processors: `npm run simulate -- --seed 1 --seeds 1000`.
 * Of the pure cores of controller, agents and bootds, 20 hosts for 300 virtual seconds each; with
 * `--whole` of the whole programs with their io, a smaller cloud for a shorter time.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { replayOf, runLeanBatch } from './lean/batch.ts'
import { sometimes } from './lean/oracle.ts'
import { type WeatherName, weathers } from './lean/run.ts'
import { manySeeds, simulateWhole } from './whole.ts'

const { values } = parseArgs({
  options: {
    whole: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    hosts: { type: 'string' },
    candidates: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    mutant: { type: 'string' },
    faults: { type: 'string' },
    weather: { type: 'string' },
    'until-failed': { type: 'boolean', default: false }
  }
})
const { whole, mutant, 'until-failed': untilFailed } = values
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
const { signal } = stop
const first = Number(values.seed)

async function simulateWholeClouds(): Promise<boolean> {
  const count = Number(values.seeds ?? manySeeds)
  const [hosts, seconds] = [Number(values.hosts ?? 3), Number(values.seconds ?? 25)]
  const wish = { hosts, seconds, candidates: Number(values.candidates), mutant }
  const jobs = Math.min(count, Number(values.jobs))
  return await simulateWhole(wish, { first, count, jobs, untilFailed, signal })
}

function weatherOf(name: string | undefined): WeatherName | undefined {
  const names = Object.keys(weathers) as WeatherName[]
  const weather = names.find(one => one === name)
  if (name !== undefined && !weather) {
    throw new Error(`there is no weather "${name}": one of ${names.join(', ')}`)
  }
  return weather
}

async function simulateCores(): Promise<boolean> {
  const count = Number(values.seeds ?? 1)
  const [hosts, seconds] = [Number(values.hosts ?? 20), Number(values.seconds ?? 300)]
  const jobs = Math.min(count, Number(values.jobs))
  const faults = values.faults?.split(',')
  const weather = weatherOf(values.weather)
  const batch = { first, count, jobs, hosts, seconds, mutant, faults, weather, untilFailed, signal }
  const startedAt = performance.now()
  const { sum, ran, failed, virtualMs, cpuMsEach } = await runLeanBatch(batch, run => {
    if (count === 1) console.log(`digest ${run.digest}`)
    if (run.problems.length === 0) return
    console.log(`seed ${run.seed} failed: ${replayOf(batch, run.seed)}`)
    for (const problem of run.problems) console.log(`  ${problem}`)
  })
  const minutes = (performance.now() - startedAt) / 60_000
  const sorted = Object.entries(sum).sort(([a], [b]) => (a < b ? -1 : 1))
  console.log(JSON.stringify(Object.fromEntries(sorted), undefined, 1))
  const each = `${Math.round(cpuMsEach)} ms of a processor each`
  const hours = (virtualMs / 3_600_000).toFixed(1)
  const failures = `${failed.length} failed`
  const speed = `${Math.round(ran / minutes)} a minute`
  console.log(`${ran} seeds of ${hours} virtual hours, ${failures}, ${speed}, ${each}`)
  const missing = sometimes(sum)
  const isPoor = ran >= manySeeds && missing.length > 0
  if (isPoor) console.log(`never happened: ${missing.join(', ')}`)
  return failed.length === 0 && !isPoor
}

const isWell = whole ? await simulateWholeClouds() : await simulateCores()
process.exitCode = isWell ? 0 : 1
