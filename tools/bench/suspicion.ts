/**
 * How soon a dead host is known for dead, against how often a living one is taken for it: the real
 * judgement of the controller in virtual time, over a million hours of hosts that pause, freeze,
 * flap and lose packets, by themselves and together. See suspicion/play.ts for what is skipped.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { type Patience, patience } from '../../controller/core/suspicion-times.ts'
import { quantile } from './measure.ts'
import { plotOf } from './suspicion/plot.ts'
import { type Extent, sources } from './suspicion/spells.ts'
import type { Tally, Task } from './suspicion/tally.ts'

const [hosts, racks] = [20, 4]

/** From hasty to patient; one of them is what clouds go by. */
const pairs: readonly (readonly [suspectMs: number, hungMs: number])[] = [
  [1_000, 5_000],
  [1_500, 8_000],
  [2_500, 15_000],
  [5_000, 20_000],
  [8_000, 30_000]
]

const settings: readonly Patience[] = pairs.map(([suspectMs, hungMs]) => ({
  ...patience,
  suspectMs,
  hungMs,
  brakeMs: suspectMs / 2
}))

/** Measures and prints; `--host-hours` and `--seed` make it shorter and another one. */
export async function suspicionBench(print: (line: string) => void): Promise<void> {
  const options = { 'host-hours': { type: 'string' }, seed: { type: 'string' } } as const
  const { values } = parseArgs({ options, allowPositionals: true })
  const hostHours = Number(values['host-hours'] ?? 1_000_000)
  const extent = {
    seed: Number(values.seed ?? 1),
    hosts,
    racks,
    hours: hostHours / hosts,
    boost: 1
  }
  for (const { name, scope, everyHours, lasts, because } of sources) {
    const each = scope === 'cloud' || scope === 'controller' ? scope : `each ${scope}`
    print(
      `${name}: ${each} every ${everyHours} h for ${lasts.median} ms ` +
        `(lognormal, sigma ${lasts.sigma}): ${because}`
    )
  }
  const startedAt = performance.now()
  const tallies = await talliesOf(extent, print)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  const played = tallies.reduce((sum, { playedHours }) => sum + playedHours, 0)
  const all = Math.round(extent.hours * settings.length)
  print(
    `${hostHours} host-hours for each of ${settings.length} settings in ${seconds} s: ` +
      `of ${all} hours of clouds ${Math.round(played)} were played`
  )
  for (const line of tableOf(tallies, hostHours / 1e6)) print(line)
  for (const line of causesOf(tallies, hostHours / 1e6)) print(line)
  const points = tallies.map(({ deaths, falseFences }, place) => ({
    letter: letterOf(place),
    x: quantile(deaths.power, 0.5) / 1_000,
    y: (falseFences / hostHours) * 1e6
  }))
  const axes = { x: 's until power loss is known', y: 'false fences in 10^6 host-hours' }
  for (const line of plotOf(points, axes)) print(line)
}

const letterOf = (place: number): string => String.fromCodePoint('a'.codePointAt(0)! + place)

/** One thread for each processor, and one setting after another in each. */
async function talliesOf(extent: Extent, print: (line: string) => void): Promise<readonly Tally[]> {
  const millions = (extent.hours * extent.hosts) / 1e6
  const tallies: Tally[] = []
  const due = settings.map((one, place) => ({ patience: one, place }))
  const work = async (): Promise<void> => {
    for (let next = due.shift(); next; next = due.shift()) {
      const tally = await playedApart({ extent, patience: next.patience })
      tallies[next.place] = tally
      print(rowOf(tally, next.place, millions))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return tallies
}

async function playedApart(task: Task): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<Tally>()
  const worker = new Worker(new URL('./suspicion/worker.ts', import.meta.url), { workerData: task })
  worker.once('message', resolve).once('error', reject)
  return await promise.finally(() => worker.terminate())
}

function tableOf(tallies: readonly Tally[], millions: number): readonly string[] {
  return [
    '| | silent, hung | power lost: p50, p99 | kernel hangs: p50, p99 | not known in time | ' +
      'false suspicions | false fences | needless alarms |',
    `|${'---|'.repeat(8)}`,
    ...tallies.map((tally, place) => rowOf(tally, place, millions))
  ]
}

function rowOf(tally: Tally, place: number, millions: number): string {
  const seconds = (times: readonly number[], share: number): string =>
    times.length === 0 ? '-' : `${(quantile(times, share) / 1_000).toFixed(1)} s`
  const { deaths, missed, falseBy, falseFences, alarms } = tally
  const { suspectMs, hungMs } = settings[place]!
  const suspicions = Object.values(falseBy).reduce((sum, count) => sum + count, 0)
  const isOurs = suspectMs === patience.suspectMs && hungMs === patience.hungMs
  const cells = [
    `${letterOf(place)}${isOurs ? ' (default)' : ''}`,
    `${suspectMs / 1_000} s, ${hungMs / 1_000} s`,
    `${seconds(deaths.power, 0.5)}, ${seconds(deaths.power, 0.99)}`,
    `${seconds(deaths.hang, 0.5)}, ${seconds(deaths.hang, 0.99)}`,
    `${missed} of ${missed + deaths.power.length + deaths.hang.length}`,
    Math.round(suspicions / millions),
    Math.round(falseFences / millions),
    Math.round(alarms / millions)
  ]
  return `| ${cells.join(' | ')} |`
}

function causesOf(tallies: readonly Tally[], millions: number): readonly string[] {
  const names = [...new Set(tallies.flatMap(({ falseBy }) => Object.keys(falseBy)))].sort()
  const letters = tallies.map((_, place) => letterOf(place))
  return [
    `| false suspicions by cause | ${letters.join(' | ')} |`,
    `|${'---|'.repeat(letters.length + 1)}`,
    ...names.map(name => {
      const counts = tallies.map(({ falseBy }) => Math.round((falseBy[name] ?? 0) / millions))
      return `| ${name} | ${counts.join(' | ')} |`
    })
  ]
}
