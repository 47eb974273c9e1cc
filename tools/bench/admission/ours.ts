/**
 * The engine on one case, in a process of its own, with what it found as JSON: `node ours.ts churn
 * FILE ORDER FULL` on a cluster of Ganeti's, which it writes as it is at the end beside the file;
 * `… capacity FILE ORDER`; `… scale HOSTS DEMANDS BATCH ORDER SEED`; `… trace FILE`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Admission, type Asked } from '../../../controller/core/engine/admission.ts'
import type { Problem } from '../../../controller/core/engine/problem.ts'
import { quantile } from '../measure.ts'
import { problemOf } from '../placement/ganeti-problem.ts'
import { type Cluster, readCluster } from '../placement/ganeti-text.ts'
import { stuckHosts } from './audit.ts'
import { capacityBounds } from './capacity-bound.ts'
import { churn, type Newcomer, threadMs } from './churn.ts'
import { type HostShape, hostsBound, readTrace, replay } from './trace.ts'
import { chanceOf, ruledCloud, wisher } from './wishes.ts'

type Order = 'level' | 'pack'

const groupsOfGaneti = 2_000
const rounds = 20_000
/** How often a course is played. */
const plays = 3
const capacityMost = 40_000
/** Hosts beyond the bound that are tried for a trace at most. */
const moreHostsMost = 16
const shapes: readonly HostShape[] = [
  { vcpus: 64, memoryMib: 448 * 1024 },
  { vcpus: 48, memoryMib: 192 * 1024 }
]

const hostsAlone = ({ open }: Problem): readonly number[] => Array.from(open, (_, host) => host)

const amountsFor =
  (problem: Problem) =>
  (memoryMib: number, vcpus: number): readonly number[] =>
    problem.dimensions.map(({ name }) =>
      name === 'memory' ? memoryMib : name === 'vcpus' ? vcpus : 0
    )

/**
 * Instances come and go on a cluster of Ganeti's. The course is played several times, each time the
 * same to the last step: what one admission takes is the least of them, so that neither what else
 * the machine does nor the collector counts.
 */
function churnFile(file: string, order: Order, full: number) {
  const text = readFileSync(file, 'utf8')
  const cluster = readCluster(text)
  const all = Array.from({ length: plays }, () => churnOnce(problemOf(cluster), order, full))
  const { admission, present, times: _, ...figures } = all[0]!
  const least = all[0]!.times.map((_, at) => Math.min(...all.map(({ times }) => times[at]!)))
  const stuck = stuckHosts(admission)
  writeFileSync(`${file}.${order}`, exported({ text, cluster, admission, present }))
  const stranded = admission.refuges[0]!.stranded.size
  return { ...figures, p99Ms: quantile(least, 0.99), stuck, stranded }
}

function churnOnce(problem: Problem, order: Order, full: number) {
  const first = 1 + Math.max(-1, ...problem.groups.flat())
  const groups = Array.from({ length: groupsOfGaneti }, (_, at) => first + at)
  const most = problem.open.length * 40
  const admission = new Admission(problem, {
    ...{ places: problem.first.length + most + 1_000, order },
    groups: first + groupsOfGaneti,
    losses: [hostsAlone(problem)]
  })
  const chance = chanceOf(1)
  const wish = wisher(chance, amountsFor(problem), { groups, rare: false })
  const churned = churn(admission, wish, { full, most, batch: 1, rounds, chance })
  return { ...churned, admission }
}

/** The file with the newcomers in it. */
function exported(given: {
  readonly text: string
  readonly cluster: Cluster
  readonly admission: Admission
  readonly present: readonly Newcomer[]
}): string {
  const { text, cluster, admission, present } = given
  const { layout } = admission
  const taken = cluster.nodes.map(() => 0)
  const lines = present.map(({ place, asked: { amounts, groups = [] } }) => {
    const host = layout.first[place]!
    taken[host]! += amounts[0]!
    const tags = groups.map(group => `svc:n${group}`).join(',')
    const seat = `running|Y|${cluster.nodes[host]!.name}|`
    return `new${place}|${amounts[0]}|40960|${amounts[1]}|${seat}|ext|${tags}|1`
  })
  const parts = text.split('\n\n')
  const nodes = parts[1]!.split('\n').map((line, host) => {
    const fields = line.split('|')
    fields[3] = String(Number(fields[3]) - taken[host]!)
    return fields.join('|')
  })
  const instances = [...parts[2]!.split('\n').filter(line => line !== ''), ...lines]
  return [parts[0], nodes.join('\n'), instances.join('\n'), ...parts.slice(3)].join('\n\n')
}

/** How many more of one size fit, one by one until the first refusal. */
function capacity(file: string, order: Order) {
  const text = file === 'equal' ? '' : readFileSync(file, 'utf8')
  const problem = file === 'equal' ? equalHosts() : problemOf(readCluster(text))
  const amounts = amountsFor(problem)(file === 'equal' ? 8192 : 4096, 2)
  const places = problem.first.length + capacityMost
  const admission = new Admission(problem, { places, order, losses: [hostsAlone(problem)] })
  const started = process.threadCpuUsage()
  const present: Newcomer[] = []
  const asked: Asked = { amounts }
  for (let answer = admission.admit(asked); 'place' in answer; answer = admission.admit(asked)) {
    present.push({ place: answer.place, asked })
  }
  const cpuMs = threadMs(started)
  if (text !== '') {
    const cluster = readCluster(text)
    writeFileSync(`${file}.full`, exported({ text, cluster, admission, present }))
  }
  const stuck = stuckHosts(admission)
  return { count: present.length, cpuMs, stuck, ...capacityBounds(problem, amounts) }
}

/** Ten hosts of 192 GiB and 24 processors, as `hspace --simulate p,10,6t,192g,24` has them. */
function equalHosts(): Problem {
  const all = (value: number) => Array.from({ length: 10 }, () => value)
  const plain = { weight: 1, both: false, taken: all(0), amount: [] }
  return {
    ...{ open: all(1), first: [], second: [], pair: [], fixed: [], groups: [], levels: [] },
    dimensions: [
      {
        ...{ ...plain, name: 'memory', hard: true },
        ...{ capacity: all(196608), limit: all(196607) }
      },
      { ...{ ...plain, name: 'vcpus', hard: false }, ...{ capacity: all(24), limit: all(96) } }
    ],
    ...{ closedSeatWeight: 4, closedFirstWeight: 16 }
  }
}

/** Fills a cloud with every rule on, then lets demands come and go. */
function scale(given: {
  readonly hosts: number
  readonly most: number
  readonly batch: number
  readonly order: Order
  readonly seed: number
}) {
  const { hosts, most, batch, order, seed } = given
  const chance = chanceOf(seed)
  const { problem, kinds, amountsOf, losses } = ruledCloud(hosts, chance)
  const groups = Array.from({ length: hosts * 2 }, (_, at) => at)
  const places = most + 1_000
  const rules = { places, order, kinds, losses, groups: groups.length }
  const admission = new Admission(problem, rules)
  const wish = wisher(chance, amountsOf, { groups, rare: true })
  const filling = { full: 0.9, most, batch, rounds: 10_000, chance }
  const { present: _, times, ...figures } = churn(admission, wish, filling)
  const rssMib = Math.round(process.memoryUsage().rss / 2 ** 20)
  const p99Ms = quantile(times, 0.99)
  return { ...figures, p99Ms, rssMib, stranded: admission.refuges[0]!.stranded.size }
}

/** The least number of hosts that refuses nobody, for each shape of hosts. */
function trace(file: string) {
  const read = readTrace(file)
  return shapes.map(shape => {
    const bound = hostsBound(read, shape)
    const tries: { readonly hosts: number; readonly refused: number; readonly rate: number }[] = []
    for (let more = 1; more <= moreHostsMost; more += 1) {
      const { refused, rate } = replay(read, shape, bound + more)
      tries.push({ hosts: bound + more, refused, rate })
      if (refused === 0) break
    }
    return { shape, bound, vms: read.asked.length, peak: read.peak[2], tries }
  })
}

function main([what = '', ...rest]: readonly string[]): unknown {
  const [first = '', second = '', third = '', order = '', seed = ''] = rest
  switch (what) {
    case 'churn':
      return churnFile(first, second as Order, Number(third))
    case 'capacity':
      return capacity(first, second as Order)
    case 'trace':
      return trace(first)
    default:
      return scale({
        ...{ hosts: Number(first), most: Number(second), batch: Number(third) },
        ...{ order: order as Order, seed: Number(seed) }
      })
  }
}

/** What each word gives. */
export type Ours = {
  readonly churn: ReturnType<typeof churnFile>
  readonly capacity: ReturnType<typeof capacity>
  readonly scale: ReturnType<typeof scale>
  readonly trace: ReturnType<typeof trace>
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(JSON.stringify(main(process.argv.slice(2))))
}
