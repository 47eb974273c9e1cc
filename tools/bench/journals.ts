/**
 * Measures the journals that several candidates share: commits per second of 1 KiB. The journal on
 * ZooKeeper is measured by turns with the npm package's own client, which makes the same
 * transactions one by one in the main thread, on one ensemble of three servers; then PostgreSQL.
 */
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { Commit } from '../../controller/core/commit.ts'
import type { Journal } from '../../controller/core/ports.ts'
import { openPostgresJournal } from '../../controller/io/journal/postgres.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import { PackageClient } from '../../test/lab/package-client.ts'
import { PostgresServer, postgresPassword as password } from '../../test/lab/postgres.ts'
import { startEnsemble } from '../../test/lab/zookeeper-ensemble.ts'
import { formatTime, median, quantile } from './measure.ts'

const callerCounts = [1, 16, 64]
const rounds = 9
const roundMs = 400
const commitBytes = 1024

type Call = () => Promise<unknown>
type Round = { readonly rate: number; readonly latencies: readonly number[] }

/** Prints commits per second of each, and their ratio: medians of several rounds. */
export async function journalsBench(print: (line: string) => void): Promise<void> {
  await zooKeeperBench(print)
  await postgresBench(print)
}

async function zooKeeperBench(print: (line: string) => void): Promise<void> {
  await using ensemble = await startEnsemble({ forced: true })
  const servers = [ensemble.servers[(await ensemble.leader())! - 1]!]
  await using session = await connectZooKeeper({
    servers,
    sessionMs: 30_000,
    secret: 'bench:bench',
    log: silentLog,
    clock: realClock
  })
  await using journal = await openZooKeeperJournal(session, { log: silentLog })
  using client = new PackageClient(servers)
  await client.connect()
  const ours = await commitsOf(journal)
  const bare = await bareCommits(client)
  for (const call of [ours, bare]) await roundOf(16, call)
  for (const callers of callerCounts) {
    const [own, other]: [Round[], Round[]] = [[], []]
    for (let round = 0; round < rounds; round += 1) {
      own.push(await roundOf(callers, ours))
      other.push(await roundOf(callers, bare))
    }
    const ratio = median(own.map(({ rate }, round) => rate / other[round]!.rate))
    print(
      `journals: ZooKeeper, ${callers} caller(s): ${says(own)}; ` +
        `the package's client ${says(other)}; ratio ${ratio.toFixed(2)}`
    )
  }
}

async function postgresBench(print: (line: string) => void): Promise<void> {
  await using server = await PostgresServer.start()
  const options = { url: server.url(), password, log: silentLog }
  await using journal = await openPostgresJournal(options)
  const ours = await commitsOf(journal)
  await roundOf(16, ours)
  for (const callers of callerCounts) {
    const own: Round[] = []
    for (let round = 0; round < rounds; round += 1) own.push(await roundOf(callers, ours))
    print(`journals: PostgreSQL, ${callers} caller(s): ${says(own)}`)
  }
}

async function roundOf(callers: number, call: Call): Promise<Round> {
  const latencies: number[] = []
  const startedAt = performance.now()
  const caller = async () => {
    while (performance.now() < startedAt + roundMs) {
      const calledAt = performance.now()
      await call()
      latencies.push(performance.now() - calledAt)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return { rate: (latencies.length / (performance.now() - startedAt)) * 1000, latencies }
}

function says(measured: readonly Round[]): string {
  const rate = Math.round(median(measured.map(each => each.rate)))
  const all = measured.flatMap(({ latencies }) => latencies)
  const [p50, p99] = [median(all), quantile(all, 0.99)]
  return `${rate} commits/s (p50 ${formatTime(p50)}, p99 ${formatTime(p99)})`
}

async function commitsOf(journal: Journal): Promise<Call> {
  const epoch = await journal.raiseEpoch()
  return () => journal.append(sampleCommit, { epoch })
}

/** The same as the journal does, without chain, group or checks of ours. */
async function bareCommits(client: PackageClient): Promise<Call> {
  const bytes = Buffer.alloc(commitBytes, 'x')
  const none = Buffer.alloc(0)
  for (const path of ['/bare', '/bare/epoch', '/bare/head', '/bare/entries']) {
    await client.transact([{ op: 'create', path, bytes: none }])
  }
  for (const path of ['/bare/epoch', '/bare/head']) {
    // The package takes version 0 for any.
    await client.transact([{ op: 'set', path, bytes: none, version: 0 }])
  }
  let number = 0
  return () => {
    number += 1
    const folder = `/bare/entries/${Math.floor(number / 4096)}`
    return client.transact([
      { op: 'check', path: '/bare/epoch', version: 1 },
      { op: 'set', path: '/bare/head', bytes: Buffer.from(String(number)), version: number },
      ...(number === 1 || number % 4096 === 0
        ? [{ op: 'create', path: folder, bytes: none } as const]
        : []),
      { op: 'create', path: `${folder}/${number}`, bytes }
    ])
  }
}

const because = 'x'.repeat(commitBytes - 140)
const sampleCommit: Commit = {
  changes: [],
  decisions: [
    { at: '2026-01-01T00:00:00.000Z', by: 'controller', verb: 'placed', because, subjects: [] }
  ]
}
