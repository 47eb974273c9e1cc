import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { Change } from '../../controller/core/commit.ts'
import { zooKeeperElection } from '../../controller/io/election/zookeeper.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import { until } from '../world/world-candidates.ts'
import { CandidateProcess } from './candidate-process.ts'
import { startEnsemble } from './zookeeper-ensemble.ts'

const secret = 'remuda:only for this test'
const sessionMs = 8_000
/** Together more than a small heap holds beside the program, and less than the servers'. */
const [commits, perCommit, labelBytes] = [150, 40, 5_000] as const
const smallHeapMib = 48
const serverHeapMib = 256

const nameOf = (commit: number, at: number): string => `t-${commit}-${at}`

/** Appends all of it as a candidate that leads; each is acknowledged. */
async function fill(servers: readonly string[]): Promise<void> {
  const both = { log: silentLog, clock: realClock }
  await using session = await connectZooKeeper({ servers, sessionMs, secret, ...both })
  await using election = zooKeeperElection(session, { name: 'filler', ...both })
  const { proof } = election
  await using journal = await openZooKeeperJournal(session, { log: silentLog, proof })
  await election.lead(new AbortController().signal)
  const epoch = await journal.raiseEpoch()
  for (let commit = 0; commit < commits; commit += 1) {
    const changes = Array.from({ length: perCommit }, (_, at): Change => {
      const name = nameOf(commit, at)
      // Each has words of its own, so that none shares its memory with another one.
      const labels = { words: `${name} `.padEnd(labelBytes, 'x') }
      const given = { spec: {}, decided: {}, generation: 1, createdAt: '2026-01-01T00:00:00.000Z' }
      return { op: 'put', resource: { kind: 'tenant', id: name, name, labels, ...given } } as never
    })
    await journal.append({ changes, decisions: [] }, { epoch })
  }
}

test('whose heap is full in a replay ends, who is killed begins anew, and leads', async t => {
  t.timeout(300_000)
  await using opened = new AsyncDisposableStack()
  const { servers } = opened.use(await startEnsemble({ count: 1, heapMib: serverHeapMib }))
  await fill(servers)
  const ensemble = { servers, secret, sessionMs }
  const small = await CandidateProcess.start({ name: 'small', ensemble, heapMib: smallHeapMib })
  try {
    await until(() => small.ends.length > 0)
    const isSaid = (what: string): boolean => small.log.some(line => line.includes(what))
    t.true(isSaid('"message":"journal opened"'), 'it had begun to read')
    t.false(isSaid('"message":"stands"'), 'and never stood with less than all')
  } finally {
    await small[Symbol.asyncDispose]()
  }
  t.is(small.ends[0], 'SIGABRT', small.log.slice(-5).join('\n'))

  const next = opened.use(await CandidateProcess.start({ name: 'next', ensemble }))
  await until(() => next.log.some(line => line.includes('"message":"journal opened"')))
  next.signal('SIGKILL')
  await until(async () => (await next.cluster())?.state === 'leads' || undefined)
  t.deepEqual(next.ends, ['SIGKILL'])
  t.false(
    next.log.some(line => line.includes('"request failed"')),
    'it was asked all the time'
  )
  for (let commit = 0; commit < commits; commit += 1) {
    const name = nameOf(commit, commit % perCommit)
    t.is((await next.ask({ path: `/v1/tenants/${name}` }))?.status, 200, name)
  }
})
