/**
 * Measures the mesh: order fan-out, report intake and what a slow trickle of questions costs, with
 * thousands of simulated agents in other processes. Beside it a bare ROUTER under CURVE with as
 * many agents, by turns in the same run: once one that packs and unpacks each message, as who wants
 * to use it must, and once one that sends and counts bytes. Then a controller that ends and another
 * one that dials everybody anew.
 */
import { makeKeys } from '#shared/wire/keys.ts'
import { Fleet } from './agents/fleet-handle.ts'
import { quantile } from './measure.ts'
import { OurEnd, openBare, openOurs, type Side, type Sides, until } from './mesh-sides.ts'

const counts = [100, 1_000, 5_000] as const
const rounds = 3
const intakeMs = 2_000
const warmUpMs = 500
const fanOutMessages = 20_000
const pacedPerSecond = 1_000
const pacedMs = 3_000
const stormAgents = 2_000
const stormRounds = 3

/** What was measured of one side in one round. */
type Figures = {
  readonly intake: number
  readonly intakeCpuUs: number
  readonly fanOut: number
  readonly fanOutCpuUs: number
  readonly p50: number
  readonly p99: number
}

/** Runs the mesh's measurements; each line is one figure, with the bare ones beside it. */
export const meshBench = async (print: (line: string) => void): Promise<void> => {
  const wanted = process.env['REMUDA_BENCH_AGENTS']
  for (const count of wanted === undefined ? counts : [Number(wanted)]) await compare(count, print)
  await storm(print)
}

async function compare(count: number, print: (line: string) => void): Promise<void> {
  await using bare: Sides = await openBare(count)
  await using ours: Sides = await openOurs(count)
  const all = [...ours.sides, ...bare.sides]
  const measured = new Map<Side['kind'], Figures[]>(all.map(({ kind }) => [kind, []]))
  for (const side of all) await measure(side)
  for (let round = 0; round < rounds; round += 1) {
    for (const side of all) measured.get(side.kind)?.push(await measure(side))
  }
  const figure = (kind: Side['kind'], name: keyof Figures): number =>
    quantile(measured.get(kind)?.map(figures => figures[name]) ?? [], 0.5)
  tell(count, figure, print)
  const [mine, their] = [ours, bare].map(({ sides: [side] }) => side)
  const [memory, bareMemory] = [mine, their].map(side =>
    Math.round((side?.bytesPerPeer ?? 0) / 1_024)
  )
  print(`mesh: ${count} agents, memory of each: ${memory} KiB, bare ${bareMemory} KiB`)
  const [dial, bareDial] = [mine, their].map(side => seconds(side?.connectMs ?? 0))
  print(`mesh: ${count} agents, dialled: ${dial}, bare ${bareDial}`)
}

async function measure(side: Side): Promise<Figures> {
  await side.begin()
  const paced = side.kind === 'raw' ? { p50: 0, p99: 0 } : await trickle(side)
  const fanOut = await fanOutOf(side)
  const intake = await intakeOf(side)
  return { ...paced, ...fanOut, ...intake }
}

/** Processor time of this process from now on. Unit: µs. */
function stopwatch(): () => number {
  const from = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(from)
    return user + system
  }
}

/** Messages that come in while all agents send as fast as they can. */
async function intakeOf(side: Side): Promise<Pick<Figures, 'intake' | 'intakeCpuUs'>> {
  await side.fleet.tell({ do: 'flood', on: true })
  await sleep(warmUpMs)
  const [before, cpu, startedAt] = [side.received(), stopwatch(), performance.now()]
  await sleep(intakeMs)
  const [received, usedUs] = [side.received() - before, cpu()]
  const elapsedMs = performance.now() - startedAt
  await side.fleet.tell({ do: 'flood', on: false })
  await quiet(side)
  return { intake: (received / elapsedMs) * 1_000, intakeCpuUs: usedUs / Math.max(1, received) }
}

/** Waits until what was on its way has come in. */
async function quiet(side: Side): Promise<void> {
  let before = -1
  while (side.received() !== before) {
    before = side.received()
    await sleep(100)
  }
}

/** Counts the fan-outs of all sides, since agents keep the highest generation. */
let generation = 0

/** Messages to all agents in turn, until the last one has its last. */
async function fanOutOf(side: Side): Promise<Pick<Figures, 'fanOut' | 'fanOutCpuUs'>> {
  const { received: before } = await side.fleet.tell({ do: 'count' })
  const [cpu, startedAt] = [stopwatch(), performance.now()]
  let sent = 0
  while (sent < fanOutMessages) {
    generation += 1
    await side.toAll(generation)
    sent += side.agents
  }
  await until(async () => {
    const { received, lowest } = await side.fleet.tell({ do: 'count' })
    // An order takes the place of one that the agent has not read yet: the last one counts.
    return side.kind === 'ours' ? lowest >= generation : received - before >= sent
  })
  const elapsedMs = performance.now() - startedAt
  return { fanOut: (sent / elapsedMs) * 1_000, fanOutCpuUs: cpu() / sent }
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
  figure: (kind: Side['kind'], name: keyof Figures) => number,
  print: (line: string) => void
): void {
  const rate = (what: string, name: 'intake' | 'fanOut'): void => {
    const [ours, bare, raw] = [figure('ours', name), figure('bare', name), figure('raw', name)]
    const beside = [bare, raw].map(
      other => `${whole(other)}/s (ratio ${(ours / other).toFixed(2)})`
    )
    print(
      `mesh: ${count} agents, ${what}: ${whole(ours)}/s, bare ${beside[0]}, raw bytes ${beside[1]}`
    )
  }
  rate('reports taken in', 'intake')
  rate('orders sent to all', 'fanOut')
  for (const [what, name] of [
    ['report', 'intakeCpuUs'],
    ['order', 'fanOutCpuUs']
  ] as const) {
    const [ours, bare, raw] = (['ours', 'bare', 'raw'] as const).map(
      kind => `${figure(kind, name).toFixed(1)} µs`
    )
    print(
      `mesh: ${count} agents, processor time for each ${what}: ${ours}, bare ${bare}, raw ${raw}`
    )
  }
  const [ours, bare] = (['ours', 'bare'] as const).map(
    kind => `p50 ${figure(kind, 'p50').toFixed(2)} ms, p99 ${figure(kind, 'p99').toFixed(2)} ms`
  )
  print(`mesh: ${count} agents, ${pacedPerSecond} questions/s: ${ours}; bare ${bare}`)
}

const whole = (value: number): string => String(Math.round(value))
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
