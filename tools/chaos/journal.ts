/**
 * The journal and the election under chaos: three real servers, three candidates that write in
 * pipelines, and a nemesis. At the end all is healed, somebody must write again, and what every
 * server holds is compared with what the candidates have noted.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { exists } from '#shared/files.ts'
import { silentLog } from '#shared/log.ts'
import { kernelMs } from '#shared/zookeeper/mail.ts'
import { openPostgresJournal } from '../../controller/io/journal/postgres.ts'
import { PostgresServer, postgresPassword } from '../../test/lab/postgres.ts'
import { openRelay, type Relay } from '../../test/lab/relay.ts'
import { startEnsemble, type ZooKeeperEnsemble } from '../../test/lab/zookeeper-ensemble.ts'
import { makeChance } from './chance.ts'
import { type Counts, judge, type Replica } from './checker.ts'
import { readHistory } from './history.ts'
import { Lives } from './lives.ts'
import { Nemesis } from './nemesis.ts'
import { digestMismatches, readJournal, readReplica } from './replicas.ts'

/** What a run is to be. */
export type JournalChaos = {
  readonly seed: number
  readonly sessionMs: number
  readonly journal: 'zookeeper' | 'postgres'
  /** It takes so long, and up to so long when something has not happened yet. */
  readonly lastsMs: readonly [min: number, max: number]
  /** Pause between the beginnings of two acts. */
  readonly everyMs: readonly [min: number, max: number]
  /** What must have happened, or nothing was shown. */
  readonly wanted: readonly (keyof Counts)[]
  readonly print: (line: string) => void
  readonly signal: AbortSignal
}

/** What has come of it. */
export type JournalChaosEnd = {
  readonly violations: readonly string[]
  /** What has not happened although a run must show it. */
  readonly missing: readonly string[]
  readonly counts: Counts
}

/** A database that is killed has seldom written what it has not acknowledged. */
const wantedOf: Readonly<Record<JournalChaos['journal'], JournalChaos['wanted']>> = {
  zookeeper: [
    'takeOvers',
    'unknown',
    'unknownCommitted',
    'deposedAttempts',
    'deposedRefusedRemotely'
  ],
  postgres: ['takeOvers', 'unknown', 'deposedAttempts']
}
const secret = 'remuda:chaos'
const names = ['a', 'b', 'c']
const writers = 32
/** Keeps what an ensemble has to hold in memory within its heap. */
const pauseMsMax = 400
const healedMsMax = 90_000
const lookMs = 500
const statusEveryMs = 60_000

/** `chaos journal`: the long form. */
export async function journalChaos(
  words: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal
): Promise<boolean> {
  const text = { type: 'string' } as const
  const options = { minutes: text, seed: text, session: text, journal: text }
  const { values } = parseArgs({ args: [...words], options, strict: true })
  const lastsMs = Number(values.minutes ?? 10) * 60_000
  const journal = values.journal === 'postgres' ? 'postgres' : 'zookeeper'
  const { missing, violations } = await runJournalChaos({
    seed: Number(values.seed ?? Date.now() % 1_000_000),
    sessionMs: Number(values.session ?? 3_000),
    journal,
    lastsMs: [lastsMs, lastsMs],
    everyMs: [1_000, 4_000],
    wanted: wantedOf[journal],
    print,
    signal
  })
  return missing.length === 0 && violations.length === 0
}

/** Runs chaos against a new ensemble and judges; cleans up however it ends. */
export async function runJournalChaos(chaos: JournalChaos): Promise<JournalChaosEnd> {
  const { print } = chaos
  const [min] = chaos.lastsMs
  const said = `session ${chaos.sessionMs} ms, journal ${chaos.journal}, seed ${chaos.seed}`
  print(`chaos for ${(min / 1_000).toFixed(0)} s: ${said}`)
  await sweep()
  const folder = await mkdtemp(join(tmpdir(), `remuda-chaos-${process.pid}-`))
  await using resources = new AsyncDisposableStack()
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  const ensemble = resources.use(await startEnsemble({ forced: true }))
  chaos.signal.throwIfAborted()
  const database =
    chaos.journal === 'postgres' ? resources.use(await PostgresServer.start()) : undefined
  const candidates: Lives[] = []
  const relays = new Map<Lives, readonly Relay[]>()
  for (const name of names) {
    const ways = await Promise.all(ensemble.servers.map(openRelay))
    for (const way of ways) resources.use(way)
    const servers = ways.map(({ address }) => address)
    const order = { servers, secret, sessionMs: chaos.sessionMs, writers, pauseMsMax }
    const postgres = database && { url: database.url(), password: postgresPassword }
    const one = new Lives(name, folder, { ...order, ...(postgres && { postgres }) })
    candidates.push(resources.use(one))
    relays.set(one, ways)
    one.begin()
  }
  const victims = { ensemble, candidates, relays, sessionMs: chaos.sessionMs }
  const fates = makeChance(chaos.seed)
  const nemesis = resources.use(new Nemesis({ ...victims, ...(database && { database }) }, fates))
  const mismatches = await strike({ ...chaos, ensemble, candidates, nemesis, folder })
  await nemesis[Symbol.asyncDispose]()
  const healedMs = await untilWritten({ ensemble, candidates, folder })
  for (const one of candidates) await one[Symbol.asyncDispose]()
  const replicas = database
    ? [await readDatabase(database)]
    : await readAll(ensemble.servers, secret)
  const late = await Promise.all(ensemble.servers.map(digestMismatches))
  const { violations, counts } = judge(await readHistory(folder), replicas)
  const differing = mismatches + late.reduce((sum, each) => sum + each, 0)
  const digests = differing > 0 ? [`servers have found ${differing} digests to differ`] : []
  const end = {
    violations: [...violations, ...digests],
    missing: [
      ...chaos.wanted.filter(name => counts[name] === 0),
      ...[...nemesis.done].flatMap(([name, times]) => (times === 0 ? [name] : []))
    ],
    counts
  }
  report({ print, end, nemesis, candidates, replicas, healedMs })
  return end
}

/** Lets the nemesis strike until the time is over; gives the most digest mismatches seen. */
async function strike(
  given: JournalChaos & {
    readonly ensemble: ZooKeeperEnsemble
    readonly candidates: readonly Lives[]
    readonly nemesis: Nemesis
    readonly folder: string
  }
): Promise<number> {
  const { nemesis, candidates, ensemble, signal, print } = given
  const pauses = makeChance(given.seed + 1)
  const [min, max] = given.lastsMs
  const begun = kernelMs()
  const elapsed = () => kernelMs() - begun
  let mismatches = 0
  let told = 0
  // Before the first one leads there is nothing to disturb.
  while (!candidates.some(({ leads }) => leads) && elapsed() < healedMsMax) {
    await sleep(lookMs, undefined, { signal })
  }
  while (elapsed() < min || (elapsed() < max && !(await hasHappened(given)))) {
    await sleep(pauses.between(...given.everyMs), undefined, { signal })
    const seen = await Promise.all(ensemble.servers.map(digestMismatches))
    mismatches = Math.max(mismatches, ...seen)
    await nemesis.strike()
    if (elapsed() < told + statusEveryMs) continue
    told = elapsed()
    const strikes = [...nemesis.done.values()].reduce((sum, each) => sum + each, 0)
    const [load = 0] = loadavg()
    print(`${(told / 1_000).toFixed(0)} s: ${strikes} acts, load ${load.toFixed(1)}`)
  }
  return mismatches
}

async function hasHappened(given: {
  readonly folder: string
  readonly wanted: JournalChaos['wanted']
  readonly nemesis: Nemesis
}): Promise<boolean> {
  if ([...given.nemesis.done.values()].includes(0)) return false
  const { counts } = judge(await readHistory(given.folder), [])
  return given.wanted.every(name => counts[name] > 0)
}

/** Waits until all servers serve and a commit is acknowledged after that; gives how long. */
async function untilWritten(given: {
  readonly ensemble: ZooKeeperEnsemble
  readonly candidates: readonly Lives[]
  readonly folder: string
}): Promise<number> {
  await given.ensemble.untilQuorum(given.ensemble.servers.length)
  const begun = kernelMs()
  while (kernelMs() - begun < healedMsMax) {
    const history = await readHistory(given.folder)
    const isWritten = history.some(({ type, at }) => type === 'acknowledged' && at > begun)
    if (isWritten) return kernelMs() - begun
    await sleep(lookMs)
  }
  throw new Error(`nobody has written within ${healedMsMax} ms after all was healed`)
}

async function readAll(servers: readonly string[], of: string): Promise<readonly Replica[]> {
  const replicas: Replica[] = []
  for (const server of servers) replicas.push(await readReplica(server, of))
  return replicas
}

async function readDatabase(database: PostgresServer): Promise<Replica> {
  const place = { url: database.url(), password: postgresPassword, log: silentLog }
  await using journal = await openPostgresJournal(place)
  return await readJournal('database', journal)
}

function report(given: {
  readonly print: (line: string) => void
  readonly end: JournalChaosEnd
  readonly nemesis: Nemesis
  readonly candidates: readonly Lives[]
  readonly replicas: readonly Replica[]
  readonly healedMs: number
}): void {
  const { print, end } = given
  for (const [name, times] of given.nemesis.done) print(`${String(times).padStart(7)}  ${name}`)
  for (const [name, value] of Object.entries(end.counts)) {
    print(`${String(value).padStart(7)}  ${name}`)
  }
  for (const { name, ends } of given.candidates) {
    const list = [...ends].map(([how, times]) => `${how}: ${times}`)
    print(`candidate ${name} ended by ${list.join(', ')}`)
  }
  for (const { server, entries } of given.replicas) print(`${server} has ${entries.length} entries`)
  print(`somebody wrote ${given.healedMs.toFixed(0)} ms after all was healed`)
  for (const each of end.violations) print(`BROKEN: ${each}`)
  for (const each of end.missing) print(`NOT SHOWN: ${each} has not happened`)
  if (end.violations.length + end.missing.length === 0) print('all promises were kept')
}

/** Removes what runs left behind that were killed. */
async function sweep(): Promise<void> {
  await mkdir(tmpdir(), { recursive: true })
  for (const name of await readdir(tmpdir())) {
    const pid = /^remuda-chaos-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || (await exists(`/proc/${pid}`))) continue
    await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}
