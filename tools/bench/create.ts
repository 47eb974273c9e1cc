/**
 * Measures how long it takes from the wish for an instance until it runs, on a real cloud of its
 * own: API, journal, order, volume, network, libvirt, report. `runs` is what the API calls so: its
 * domain runs; a guest then boots as long as it likes. Each instance is gone before the next comes,
 * since machines that boot without KVM would take the processors from those that are measured.
 */
import { Cloud } from '../../test/lab/cloud/cloud.ts'
import type { LogLine } from '../../test/lab/cloud/daemon.ts'
import { formatTime, median, quantile, timeMs } from './measure.ts'

const instances = 50
/** So many are created at the same time in the second run of containers. */
const atOnce = 5
const waitSeconds = 60

const vm = { image: 'tiny', memoryMib: 64, stopGraceMs: 0 }
const container = { type: 'container', image: 'tiny-container', memoryMib: 32, stopGraceMs: 0 }

/** Prints the median and the 99th percentile for containers and VMs, and what they consist of. */
export async function createBench(print: (line: string) => void): Promise<void> {
  await using cloud = await Cloud.start()
  const runs = [
    { name: 'containers one after another', spec: container, width: 1 },
    { name: `containers ${atOnce} at a time`, spec: container, width: atOnce },
    { name: 'VMs one after another', spec: vm, width: 1 }
  ]
  for (const { name, spec, width } of runs) {
    // The first one fetches its image and makes its network.
    const first = await createOne(cloud, 'first', spec)
    const told = (await cloud.agent.log()).length
    const times = await createMany(cloud, { spec, width })
    const figures = `p50 ${formatTime(median(times))}, p99 ${formatTime(quantile(times, 0.99))}`
    print(`create: ${instances} ${name}: ${figures} (the first ${formatTime(first)})`)
    const steps = stepTimes((await cloud.agent.log()).slice(told))
    const parts = [...steps].map(([step, each]) => `${step} ${formatTime(median(each))}`)
    print(`create:   of which the agent's steps, medians: ${parts.join(', ')}`)
  }
}

async function createMany(
  cloud: Cloud,
  { spec, width }: { readonly spec: object; readonly width: number }
): Promise<readonly number[]> {
  const times: number[] = []
  for (let number = 0; number < instances; number += width) {
    const names = Array.from({ length: width }, (_, index) => `bench-${number + index}`)
    times.push(...(await Promise.all(names.map(name => createOne(cloud, name, spec)))))
  }
  return times
}

/** Creates one, and gives how long that took until it ran; then it is deleted. */
async function createOne(cloud: Cloud, name: string, spec: object): Promise<number> {
  const prefer = { prefer: `wait=${waitSeconds}` }
  const deadlineMs = (waitSeconds + 10) * 1_000
  const ms = await timeMs(async () => {
    const answer = await cloud.api.ask({
      method: 'POST',
      path: '/v1/instances',
      headers: prefer,
      body: { name, spec },
      deadlineMs,
      doing: `create instance ${name}`
    })
    const { status } = JSON.parse(answer.bytes.toString()) as { status: { phase: string } }
    if (status.phase !== 'running') throw new Error(`${name} is ${status.phase}`)
  })
  await cloud.api.ask({
    method: 'DELETE',
    path: `/v1/instances/${name}`,
    headers: { ...prefer, 'if-match': '*' },
    deadlineMs,
    doing: `delete instance ${name}`
  })
  return ms
}

const sorts = [
  [/^create volume/, 'volume'],
  [/^bring about/, 'network'],
  [/^start/, 'start']
] as const

/** How long steps took, by their sort, from the lines that tell of their beginnings and ends. */
function stepTimes(lines: readonly LogLine[]): ReadonlyMap<string, readonly number[]> {
  const begun = new Map<string, number>()
  const times = new Map<string, number[]>(sorts.map(([, sort]) => [sort, []]))
  for (const { message, step, time } of lines) {
    const [what, at] = [String(step), Date.parse(String(time))]
    if (message === 'step begun') begun.set(what, at)
    const since = begun.get(what)
    if (message !== 'step done' || since === undefined) continue
    const sort = sorts.find(([pattern]) => pattern.test(what))?.[1]
    if (sort !== undefined) times.get(sort)!.push(at - since)
  }
  return times
}
