/**
 * Elections and appends under faults, in virtual time: cuts, pauses, lost requests and replies, and
 * ends of sessions and of the quorum. The variable SEEDS, such as `7-9`, says which seeds are run.
 */
import test from 'ava'
import { silentLog } from '#shared/log.ts'
import { openZooKeeperJournal } from '../../../controller/io/journal/zookeeper.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import { read } from '../../world/numbered-commits.ts'
import { chanceOf, FaultyCandidate, Record } from './faulty-candidates.ts'

const candidateCount = 4
const faultsMs = 40_000
const stepMs = 10
/** Who is told of leases that ended so long before need not count from its own beginning. */
const earlyMs = 2_000

type World = {
  readonly clock: FakeClock
  readonly ensemble: FakeZooKeeper
  readonly chance: () => number
  readonly candidates: readonly FaultyCandidate[]
}

/** Makes one fault and mends it after a while. */
async function fault({ clock, ensemble, chance, candidates }: World): Promise<void> {
  const holder = candidates.find(candidate => candidate.holds())
  const someone = candidates[Math.floor(chance() * candidates.length)]!
  const session = (chance() < 0.6 && holder ? holder : someone).session
  if (session === undefined) return
  const kind = chance()
  const whileMs = chance() < 0.5 ? 300 * chance() : 9_000 * chance()
  if (kind < 0.2) {
    ensemble.cut(session)
    await clock.sleep(whileMs)
    ensemble.heal(session)
  } else if (kind < 0.4) {
    ensemble.hold(session)
    await clock.sleep(whileMs)
    ensemble.release(session)
  } else if (kind < 0.6) {
    ensemble.pause(session)
    await clock.sleep(whileMs)
    ensemble.resume(session)
  } else if (kind < 0.7) ensemble.loseRequests(session, 1 + Math.floor(3 * chance()))
  else if (kind < 0.85) ensemble.loseReplies(session, 1 + Math.floor(3 * chance()))
  else if (kind < 0.95) {
    // No ensemble ends a session before its time; only who holds no lease may see it so.
    if (session.leaseUntil() === undefined) ensemble.expire(session)
  } else {
    ensemble.stop()
    await clock.sleep(Math.min(whileMs, 3_000))
    ensemble.start()
  }
}

/** Runs one seed and gives what happened, or throws what must not. */
async function run(seed: number): Promise<{ record: Record; problems: readonly string[] }> {
  const chance = chanceOf(seed)
  const clock = new FakeClock({ turns: 3 })
  const ensemble = new FakeZooKeeper({ clock, latencyMs: () => 1 + 4 * chance() })
  const record = new Record()
  const stop = new AbortController()
  const candidates = Array.from(
    { length: candidateCount },
    (_, at) =>
      new FaultyCandidate({
        clock,
        ensemble,
        record,
        chance,
        stop: stop.signal,
        name: `h${at}`
      })
  )
  const world = { clock, ensemble, chance, candidates }
  const problems: string[] = []
  const lives = Promise.all(candidates.map(candidate => candidate.live()))
  lives.catch(thrown => problems.push(`a candidate died: ${thrown}`))
  let nextFault = 3_000
  let faults: Promise<unknown> = Promise.resolve()
  while (clock.monotonic() < faultsMs) {
    await clock.pass(stepMs)
    record.noteLeases(clock.monotonic())
    const holding = candidates.filter(candidate => candidate.holds()).length
    if (holding > 1) problems.push(`${holding} hold the lead at ${clock.monotonic()} ms`)
    if (clock.monotonic() < nextFault) continue
    nextFault += 200 + 2_500 * chance()
    faults = Promise.all([faults, fault(world)])
  }
  await clock.pass(20_000)
  const before = record.acknowledged.length
  await clock.pass(5_000)
  if (record.acknowledged.length === before) problems.push('nobody leads after the last fault')
  await faults
  problems.push(...(await judge(world, record)))
  stop.abort()
  await Promise.race([lives.catch(() => {}), clock.pass(30_000)])
  await ensemble[Symbol.asyncDispose]()
  return { record, problems }
}

/** Compares what the journal holds with what was said of it. */
async function judge({ ensemble, clock }: World, record: Record): Promise<readonly string[]> {
  const problems: string[] = []
  // What is acknowledged from now on may come after the reading.
  const acknowledged = [...record.acknowledged]
  const work = (async () => {
    await using session = await ensemble.connect()
    await using journal = await openZooKeeperJournal(session, { log: silentLog })
    return await read(journal)
  })()
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  await clock.passUntil(() => isDone, 60_000)
  const entries = await work
  for (const [at, { position, epoch }] of entries.entries()) {
    if (position !== at + 1) problems.push(`position ${position} is at place ${at + 1}`)
    if (epoch < (entries[at - 1]?.epoch ?? 0)) problems.push(`the epoch falls at ${position}`)
    const over = record.reigns.find(reign => reign.epoch > epoch && position > reign.head)
    if (over) problems.push(`entry ${position} of ${epoch} came after the epoch was ${over.epoch}`)
  }
  for (const { position, commit } of acknowledged) {
    const found = entries[position - 1]?.commit
    if (JSON.stringify(found) !== JSON.stringify(commit)) problems.push(`${position} is lost`)
  }
  for (const [at, { leasedUntil }] of record.wins.entries()) {
    const latest = Math.max(...record.wins.slice(0, at).map(({ leases }) => leases))
    if (latest > leasedUntil) problems.push(`leases until ${latest}, told ${leasedUntil}`)
  }
  const epochs = record.reigns.map(({ epoch }) => epoch)
  if (new Set(epochs).size < epochs.length) problems.push('an epoch was given twice')
  return problems
}

/** Seeds that are run: `SEEDS=7-9`, or these. */
function seedsWanted(): readonly number[] {
  const [from = 1, to = from] = (process.env['SEEDS'] ?? '1-6').split('-').map(Number)
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

test('under faults never two lead, no entry is lost, no lease is given in secret', async t => {
  const sum = { late: 0, unknown: 0, recovered: 0, steppedDown: 0, held: 0 }
  let reigns = 0
  let early = 0
  let acknowledged = 0
  for (const seed of seedsWanted()) {
    const { record, problems } = await run(seed)
    t.deepEqual(problems.slice(0, 5), [], `seed ${seed}: SEEDS=${seed}`)
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += record.counts[name]
    reigns += record.reigns.length
    early += record.wins.filter(({ at, leasedUntil }) => leasedUntil < at - earlyMs).length
    acknowledged += record.acknowledged.length
  }
  t.log({ ...sum, reigns, early, acknowledged })
  if (process.env['SEEDS']) return
  // A run in which nothing goes wrong shows nothing.
  const counts = JSON.stringify({ ...sum, reigns, early, acknowledged })
  t.true(sum.late > 0 && sum.unknown > 10 && sum.recovered > 5 && sum.held > 1000, counts)
  t.true(reigns > 30 && early > 5 && acknowledged > 5_000, counts)
})
