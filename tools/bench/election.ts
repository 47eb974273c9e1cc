/**
 * Who leads a cloud of 100,000 instances is killed, again and again, on a real ensemble of three
 * servers: how long until the next one's first commit, and what of it is the session's end, the
 * election, raising the epoch with reading the tail, and the commit itself. Then the same for
 * handing over on request, and how long candidates take to stand from nothing, and from their own
 * replica.
 */
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { View } from '../../controller/core/view.ts'
import { candidatePath, listCandidates } from '../../controller/io/election/zookeeper-cards.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { CandidateProcess } from '../../test/lab/candidate-process.ts'
import { startEnsemble } from '../../test/lab/zookeeper-ensemble.ts'
import { buildAll } from '../build.ts'
import { home } from '../up/layout.ts'
import { instancesMax, largeCloud } from './large-cloud.ts'
import { formatTime, memoryOf, quantile } from './measure.ts'

const secret = 'remuda:election'
const sessionMs = 4_000
const kills = 20
const handOvers = 10
/** Writes that are on their way when who leads is killed. */
const inFlight = 8
/** Time to attempt the write again that nobody took. Unit: ms. */
const againMs = 10
const settleMsMax = 180_000
const steps = ['session expiry', 'election', 'epoch and tail', 'first commit'] as const

type Print = (line: string) => void
type Cloud = { readonly all: readonly CandidateProcess[]; readonly session: ZooKeeperSession }
/** What a line of a candidate's log says. */
type Line = { readonly time: string; readonly message: string }

/** Measures and prints. */
export async function electionBench(print: Print): Promise<void> {
  await buildAll()
  await using opened = new AsyncDisposableStack()
  const ensemble = opened.use(await startEnsemble({ heapMib: 1_536, forced: true }))
  const { servers } = ensemble
  const options = { servers, secret, log: silentLog, clock: realClock }
  const connect = () => connectZooKeeper({ ...options, sessionMs: 30_000 })
  const filledAt = performance.now()
  const mib = await fill(connect)
  const filledMs = Math.round(performance.now() - filledAt)
  print(`${instancesMax} instances in a checkpoint of ${mib} MiB, written in ${filledMs} ms`)

  const all: CandidateProcess[] = []
  const program = join(home, 'dist', 'remuda-controller.js')
  for (const name of ['c1', 'c2', 'c3']) {
    const startedAt = Date.now()
    const given = { name, ensemble: { servers, secret, sessionMs }, program }
    const one = opened.use(await CandidateProcess.start(given))
    all.push(one)
    const stoodAt = await saidAt(one, 'stands', startedAt)
    print(`${name} stands ${stoodAt - startedAt} ms after its start, from the journal's checkpoint`)
  }
  const cloud = { all, session: opened.use(await connect()) }
  await settled(cloud)
  await printMemory(cloud, print)
  await measureKills(cloud, print)
  await measureHandOvers(cloud, print)
  await settled(cloud)
  await printMemory(cloud, print)
  print(`load average ${loadavg()[0]!.toFixed(1)}`)
}

/** Stores the state as the checkpoint of an empty journal; gives its size. Unit: MiB. */
async function fill(connect: () => Promise<ZooKeeperSession>): Promise<number> {
  await using session = await connect()
  await using journal = await openZooKeeperJournal(session, { log: silentLog })
  const epoch = await journal.raiseEpoch()
  const view = new View()
  // The state is in the checkpoint; the entries that it covers need not hold it a second time.
  const appended: Promise<unknown>[] = []
  for (const commit of largeCloud(view)) {
    view.fold({ type: 'commit', position: view.position + 1, commit })
    appended.push(journal.append({ changes: [], decisions: [] }, { epoch }))
  }
  await Promise.all(appended)
  await new Keeper({ journal, view, log: silentLog, dueKept: 1 }).write(async () => {})
  const listed = await (await journal.readCheckpoint())!.listed()
  const bytes = [...listed.values()].reduce((sum, chunk) => sum + chunk.bytes, 0)
  return Math.round(bytes / 2 ** 20)
}

async function measureKills(cloud: Cloud, print: Print): Promise<void> {
  const rows: number[][] = []
  const restarts: number[] = []
  for (let round = 1; round <= kills; round += 1) {
    const { leader, others } = await settled(cloud)
    const [znode] = await listCandidates(cloud.session)
    const gone = goneAt(cloud.session, candidatePath(znode!))
    for (let number = 0; number < inFlight; number += 1) void write(leader, `k${round}-${number}`)
    const killedAt = Date.now()
    leader.signal('SIGKILL')
    const { by, at } = await firstWrite(others, `killed-${round}`)
    const electedAt = await saidAt(by, 'elected', killedAt)
    const leadingAt = await saidAt(by, 'leading', killedAt)
    // On a busy machine the next one may hear of it before we do.
    const expiredAt = Math.min(await gone, electedAt)
    const marks = [killedAt, expiredAt, electedAt, leadingAt, at]
    const row = marks.slice(1).map((mark, index) => mark - marks[index]!)
    rows.push(row)
    const begunAt = await saidAt(leader, 'starting', killedAt)
    restarts.push((await saidAt(leader, 'stands', killedAt)) - begunAt)
    print(`kill ${round}: ${at - killedAt} ms, of which ${row.join(' + ')}`)
  }
  const totals = rows.map(row => row.reduce((sum, part) => sum + part, 0))
  print(`killed, until the next one's first commit: ${quantiles(totals)}, session ${sessionMs} ms`)
  for (const [index, step] of steps.entries()) {
    print(`  ${step}: ${quantiles(rows.map(row => row[index]!))}`)
  }
  print(`from its start to standing, from its own replica: ${quantiles(restarts)}`)
}

async function measureHandOvers(cloud: Cloud, print: Print): Promise<void> {
  const times: number[] = []
  for (let round = 1; round <= handOvers; round += 1) {
    const { leader, others } = await settled(cloud)
    const askedAt = Date.now()
    const asked = leader.ask({ method: 'POST', path: '/v1/cluster/step-down' })
    const { at } = await firstWrite(others, `stepped-${round}`)
    await asked
    times.push(at - askedAt)
  }
  print(`handed over on request, until the next one's first commit: ${quantiles(times)}`)
}

const quantiles = (times: readonly number[]): string =>
  `p50 ${formatTime(quantile(times, 0.5))}, p99 ${formatTime(quantile(times, 0.99))}`

async function printMemory({ all }: Cloud, print: Print): Promise<void> {
  for (const one of all) {
    const { rss, peak } = await memoryOf(one.pid!)
    const state = (await one.cluster())?.state
    print(`${one.name}, which ${state}: ${rss} MiB resident, ${peak} MiB at most`)
  }
}

/** Waits until one leads, and the others have what it has. */
async function settled({ all }: Cloud) {
  const until = performance.now() + settleMsMax
  for (;;) {
    const said = await Promise.all(all.map(one => one.cluster()))
    const leader = all.find((_, index) => said[index]?.state === 'leads')
    const follow = said.filter(each => each?.state === 'follows')
    const isEven = said.every(each => each?.position === said[0]?.position)
    const stands = said.every(each => each?.candidates.length === all.length)
    if (leader && isEven && stands && follow.length === all.length - 1) {
      return { leader, others: all.filter(one => one !== leader) }
    }
    if (performance.now() > until) {
      throw new Error(`cannot measure: not all stand after ${settleMsMax} ms`)
    }
    await sleep(250)
  }
}

const write = (one: CandidateProcess, name: string) =>
  one.ask({ method: 'POST', path: '/v1/tenants', body: { name, spec: {} } })

/** Asks several until one has recorded something; says who, and when. */
async function firstWrite(some: readonly CandidateProcess[], name: string) {
  const stop = new AbortController()
  const attempts = some.map(async one => {
    while (!stop.signal.aborted) {
      const answer = await write(one, `${name}-${one.name}`)
      if (answer?.status === 201) return Date.now()
      await sleep(againMs)
    }
    return Number.POSITIVE_INFINITY
  })
  const at = await Promise.race(attempts)
  stop.abort()
  // It may have been the other one that was asked; who leads has done it.
  for (;;) {
    for (const one of some) if ((await one.cluster())?.state === 'leads') return { by: one, at }
    await sleep(againMs)
  }
}

/** When a candidate said something after a moment; waits for it. */
async function saidAt(one: CandidateProcess, message: string, after: number): Promise<number> {
  const until = performance.now() + settleMsMax
  for (;;) {
    for (const text of one.log.slice(-200)) {
      if (!text.includes(`"message":"${message}"`)) continue
      const at = Date.parse((JSON.parse(text) as Line).time)
      if (at >= after) return at
    }
    if (performance.now() > until) throw new Error(`${one.name} has not said "${message}"`)
    await sleep(againMs)
  }
}

/** When a znode was gone. */
async function goneAt(session: ZooKeeperSession, path: string): Promise<number> {
  const { ended } = session
  for await (const _ of session.watch(path, { signal: ended })) {
    if (!(await session.read(path))) return Date.now()
  }
  return Number.NaN
}
