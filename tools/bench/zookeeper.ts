/**
 * What it costs that a session lives in a thread of its own and keeps a lease: commits per second
 * of one session, against the npm package's client in the main thread, on one ensemble of three
 * servers, by turns. A commit is what the journal makes of an entry of 1 KiB: the epoch is checked,
 * the head is moved, the entry is created.
 */
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { Operation } from '#shared/zookeeper/session.ts'
import { PackageClient } from '../../test/lab/package-client.ts'
import { startEnsemble } from '../../test/lab/zookeeper-ensemble.ts'
import { formatTime, median, quantile } from './measure.ts'

const depths = [1, 16, 64]
const rounds = 5
const roundMs = 2_000
const entryBytes = 1_024

type Transact = (operations: readonly Operation[]) => Promise<unknown>
type Round = { readonly rate: number; readonly latencies: readonly number[] }

/** Measures and prints, one line each. */
export async function zookeeperBench(print: (line: string) => void): Promise<void> {
  await using ensemble = await startEnsemble({ forced: true })
  const leader = ensemble.servers[(await ensemble.leader())! - 1]!
  const options = { sessionMs: 30_000, log: silentLog, clock: realClock }
  await using session = await connectZooKeeper({
    ...options,
    servers: [leader],
    secret: 'bench:bench'
  })
  using bare = new PackageClient([leader])
  await bare.connect()
  const ours: Transact = operations => session.transact(operations)
  const theirs: Transact = operations => bare.transact(operations)
  const benches = [await Committer.make('/ours', ours), await Committer.make('/bare', theirs)]
  session.keepLease({ path: '/ours/epoch', version: 1 })
  for (const bench of benches) await bench.run(16, roundMs)
  for (const depth of depths) {
    const results: [Round[], Round[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      for (const [index, bench] of benches.entries()) {
        results[index]!.push(await bench.run(depth, roundMs))
      }
    }
    const [own, other] = results.map(each => median(each.map(({ rate }) => rate)))
    const share = Math.round((own! / other!) * 100)
    print(
      `${depth} in flight: ${Math.round(own!)} commits/s in a thread (${latency(results[0])}),` +
        ` ${Math.round(other!)} by the package (${latency(results[1])}): ${share} %`
    )
  }
}

function latency(rounds: readonly Round[]): string {
  const all = rounds.flatMap(({ latencies }) => latencies)
  return `p50 ${formatTime(median(all))}, p99 ${formatTime(quantile(all, 0.99))}`
}

/** Makes commits one after another, so many at a time. */
class Committer {
  readonly #root: string
  readonly #transact: Transact
  readonly #entry = Buffer.alloc(entryBytes, 'e')
  #count = 1

  constructor(root: string, transact: Transact) {
    this.#root = root
    this.#transact = transact
  }

  static async make(root: string, transact: Transact): Promise<Committer> {
    const none = Buffer.alloc(0)
    const paths = [root, `${root}/epoch`, `${root}/head`]
    await transact(paths.map(path => ({ op: 'create', path, bytes: none })))
    // The package takes version 0 for any.
    await transact(
      paths.slice(1).map(path => ({ op: 'set', path, bytes: none, version: 0 }) as const)
    )
    return new Committer(root, transact)
  }

  async run(depth: number, durationMs: number): Promise<Round> {
    await this.#transact([{ op: 'create', path: this.#folder(), bytes: Buffer.alloc(0) }])
    const latencies: number[] = []
    const startedAt = performance.now()
    const until = startedAt + durationMs
    const worker = async () => {
      while (performance.now() < until) {
        const sentAt = performance.now()
        await this.#transact(this.#commit())
        latencies.push(performance.now() - sentAt)
      }
    }
    await Promise.all(Array.from({ length: depth }, worker))
    const rate = (latencies.length / (performance.now() - startedAt)) * 1_000
    this.#runs++
    return { rate, latencies }
  }

  #runs = 0
  #folder(): string {
    return `${this.#root}/e${this.#runs}`
  }

  #commit(): readonly Operation[] {
    const version = this.#count++
    return [
      { op: 'check', path: `${this.#root}/epoch`, version: 1 },
      { op: 'set', path: `${this.#root}/head`, bytes: Buffer.from(`${version}`), version },
      { op: 'create', path: `${this.#folder()}/${version}`, bytes: this.#entry }
    ]
  }
}
