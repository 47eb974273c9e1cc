import test from 'ava'
import { commitsPerCheckpoint } from '../../../controller/io/keeper.ts'
import { until, type WorldCandidate, WorldCandidates } from '../../world/world-candidates.ts'

/** Records so many small commits, some at a time. */
async function recordMany(world: WorldCandidate, count: number): Promise<void> {
  const { reign } = world.candidate.service
  const at = new Date(0).toISOString()
  const spec = { vcpus: 1, memoryMib: 128 }
  for (let done = 0; done < count; done += 100) {
    const some = Array.from({ length: 100 }, (_, index) => {
      const id = `z-${(done + index) % 300}`
      const size = { id, name: id, labels: {}, spec, decided: {}, generation: done, createdAt: at }
      const resource = { kind: 'size' as const, ...size }
      return reign.record({ changes: [{ op: 'put', resource }], decisions: [] })
    })
    await Promise.all(some)
  }
}

const checkpointed = (world: WorldCandidates, atLeast: number): Promise<number> =>
  until(() => {
    const position = world.disk.checkpoint?.position ?? 0
    return position >= atLeast && position
  })

test('who was away for too long starts anew from the checkpoint of whoever leads', async t => {
  t.timeout(180_000)
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  await recordMany(a, 100)
  const b = await world.start('b')
  await until(() => b.candidate.service.ledger.durablePosition >= 100)
  await b.stop()

  await recordMany(a, 2 * commitsPerCheckpoint + 500)
  const first = await checkpointed(world, commitsPerCheckpoint)
  await until(() => world.disk.prunedUpTo > 0 || first < commitsPerCheckpoint + 1)
  await recordMany(a, commitsPerCheckpoint + 100)
  await checkpointed(world, first + commitsPerCheckpoint)
  await until(() => world.disk.prunedUpTo > 200)

  const late = await world.start('b')
  const { restart, because } = await late.candidate.over
  t.true(restart)
  t.regex(because, /its replica is of no use: .* are forgotten/)
  await late.stop()
  const again = await world.start('b')
  const same = (one: WorldCandidate, other: WorldCandidate): void => {
    const values = ({ candidate }: WorldCandidate) => {
      const { view } = candidate.service.ledger
      return Object.fromEntries([...view.keys()].sort().map(key => [key, view.valueOf(key)]))
    }
    t.deepEqual(values(one), values(other))
  }
  const caughtUp = (one: WorldCandidate): Promise<boolean> =>
    until(() => one.candidate.service.ledger.durablePosition === world.disk.head())
  await caughtUp(again)
  same(again, a)

  await a.stop()
  t.is((await world.leader()).name, 'b')
  const before = world.disk.checkpoint!.position
  await recordMany(again, 2 * commitsPerCheckpoint)
  await checkpointed(world, before + 1)
  const third = await world.start('c')
  await caughtUp(third)
  same(third, again)
})
