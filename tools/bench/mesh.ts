/**
 * Measures the mesh: order fan-out, report intake and what a slow trickle of questions costs, with
 * thousands of simulated agents in other processes, against a bare ROUTER under CURVE in the same
 * run. Then a controller that ends and another one that dials everybody anew.
 */
import { makeKeys } from '#shared/wire/keys.ts'
import { Fleet } from './agents/fleet-handle.ts'
import { quantile } from './measure.ts'
import { OurEnd, openBare, openOurs, type Side, until } from './mesh-sides.ts'

const counts = [1_000, 5_000] as const
const intakeMs = 4_000
const warmUpMs = 1_000
const fanOutMessages = 20_000
const pacedPerSecond = 1_000
const pacedMs = 5_000
const stormAgents = 2_000
const stormRounds = 3

/** What was measured of one side. */
type Figures = {
  readonly intake: number
  readonly intakeCpuUs: number
  readonly fanOut: number
  readonly p50: number
  readonly p99: number
  readonly connectMs: number
  readonly bytesPerPeer: number
}

/** Runs the mesh's measurements; each line is one figure, with the bare one beside it. */
export const meshBench = async (print: (line: string) => void): Promise<void> => {
  const wanted = process.env['REMUDA_BENCH_AGENTS']
  for (const count of wanted === undefined ? counts : [Number(wanted)]) {
    const bare = await measure(() => openBare(count))
    const ours = await measure(() => openOurs(count))
    tell(count, { bare, ours }, print)
  }
  await storm(print)
}

async function measure(open: () => Promise<Side>): Promise<Figures> {
  await using side = await open()
  const { connectMs, bytesPerPeer } = side
  const paced = await trickle(side)
  const fanOut = await fanOutOf(side)
  const intake = await intakeOf(side)
  return { connectMs, bytesPerPeer, ...paced, fanOut, ...intake }
}

/** Messages that come in while all agents send as fast as they can. */
async function intakeOf(side: Side): Promise<Pick<Figures, 'intake' | 'intakeCpuUs'>> {
  await side.fleet.tell({ do: 'flood', on: true })
  await sleep(warmUpMs)
  const [before, cpu, startedAt] = [side.received(), process.cpuUsage(), performance.now()]
  await sleep(intakeMs)
  const [received, used] = [side.received() - before, process.cpuUsage(cpu)]
  const elapsedMs = performance.now() - startedAt
  await side.fleet.tell({ do: 'flood', on: false })
  const intakeCpuUs = (used.user + used.system) / Math.max(1, received)
  return { intake: (received / elapsedMs) * 1_000, intakeCpuUs }
}

/** Messages to all agents in turn, until the last one has its last. */
async function fanOutOf(side: Side): Promise<number> {
  const { received: before } = await side.fleet.tell({ do: 'count' })
  const startedAt = performance.now()
  let [sent, round] = [0, 0]
  while (sent < fanOutMessages) {
    round += 1
    await side.toAll(round)
    sent = round * side.agents
  }
  await until(async () => {
    const { received, lowest } = await side.fleet.tell({ do: 'count' })
    // An order takes the place of one that the agent has not read yet: the last one counts.
    return side.kind === 'ours' ? lowest >= round : received - before >= sent
  })
  return (sent / (performance.now() - startedAt)) * 1_000
}

/** A thousand questions a second to agents in turn: how long until each is answered. */
async function trickle(side: Side): Promise<Pick<Figures, 'p50' | 'p99'>> {
  await side.fleet.tell({ do: 'echo', on: true })
  const sentAt = new Map<number, number>()
  const times: number[] = []
  side.onAnswer = number => {
    const at = sentAt.get(number)
    if (at !== undefined) times.push(performance.now() - at)
    sentAt.delete(number)
  }
  const startedAt = performance.now()
  let number = 0
  while (performance.now() - startedAt < pacedMs) {
    const due = ((performance.now() - startedAt) / 1_000) * pacedPerSecond
    for (; number < due; number += 1) {
      sentAt.set(number, performance.now())
      await side.ask(number % side.agents, number)
    }
    await sleep(1)
  }
  await until(() => sentAt.size === 0)
  side.onAnswer = () => {}
  await side.fleet.tell({ do: 'echo', on: false })
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

/** A controller ends, and another one dials everybody: until all have reported in full. */
async function storm(print: (line: string) => void): Promise<void> {
  const keys = makeKeys()
  const wish = { kind: 'ours', admitted: [keys.publicKey] } as const
  const { fleet, peers } = await Fleet.open({ ...wish, count: stormAgents })
  await using _ = fleet
  const times: number[] = []
  for (let epoch = 1; epoch <= stormRounds + 1; epoch += 1) {
    const startedAt = performance.now()
    await using end = new OurEnd(keys, epoch)
    end.mesh.setPeers(peers)
    await until(() => end.heard.size === stormAgents)
    // The first one meets agents that nobody has dialled yet: that is no restart.
    if (epoch > 1) times.push(performance.now() - startedAt)
  }
  const [best, worst] = [Math.min(...times), Math.max(...times)].map(seconds)
  print(
    `mesh: a new controller has heard all ${stormAgents} agents after ` +
      `${seconds(quantile(times, 0.5))} (${best} to ${worst} of ${times.length})`
  )
}

function tell(
  count: number,
  { bare, ours }: { readonly bare: Figures; readonly ours: Figures },
  print: (line: string) => void
): void {
  const rate = (what: string, our: number, their: number): void => {
    const ratio = (our / their).toFixed(2)
    print(`mesh: ${count} agents, ${what}: ${whole(our)}/s, bare ${whole(their)}/s, ratio ${ratio}`)
  }
  rate('reports taken in', ours.intake, bare.intake)
  rate('orders sent to all', ours.fanOut, bare.fanOut)
  const cpu = [ours, bare].map(({ intakeCpuUs }) => `${intakeCpuUs.toFixed(1)} µs`)
  print(`mesh: ${count} agents, processor time for each report: ${cpu[0]}, bare ${cpu[1]}`)
  const trips = [ours, bare].map(
    ({ p50, p99 }) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
  )
  print(`mesh: ${count} agents, ${pacedPerSecond} questions/s: ${trips[0]}; bare ${trips[1]}`)
  const [mine, their] = [ours, bare].map(({ bytesPerPeer }) => Math.round(bytesPerPeer / 1_024))
  print(`mesh: ${count} agents, memory of each: ${mine} KiB, bare ${their} KiB`)
  const [dial, bareDial] = [ours, bare].map(({ connectMs }) => seconds(connectMs))
  print(`mesh: ${count} agents, dialled: ${dial}, bare ${bareDial}`)
}

const whole = (value: number): string => String(Math.round(value))
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
