/** What the journal on ZooKeeper does with gaps, broken chains, leftovers and proofs. */
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { openZooKeeperJournal } from '../../../controller/io/journal/zookeeper.ts'
import { batchPath, epochPath, headPath } from '../../../controller/io/journal/zookeeper-znodes.ts'
import { rejects } from '../../contracts/journal-bed.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import { numbered, read } from '../../world/numbered-commits.ts'

const log = silentLog
const never = new AbortController().signal

/** An ensemble whose journal has some entries, each in a znode of its own. */
async function written(count: number) {
  const ensemble = new FakeZooKeeper({ clock: realClock })
  const session = await ensemble.connect()
  const journal = await openZooKeeperJournal(session, { log })
  const epoch = await journal.raiseEpoch()
  for (let number = 1; number <= count; number += 1) {
    await journal.append(numbered(number), { epoch })
  }
  return { ensemble, session, journal, epoch }
}

const change = (session: ZooKeeperSession, path: string, bytes: Uint8Array) =>
  session.transact([{ op: 'set', path, bytes, version: 'any' }])

/** All ways to read the entries are refused. */
async function unreadable(t: ExecutionContext, ensemble: FakeZooKeeper, because: RegExp) {
  await using journal = await openZooKeeperJournal(await ensemble.connect(), { log })
  const reading = await rejects(t, read(journal), 'corrupt')
  t.regex(reading.message, because)
  const following = await rejects(t, Array.fromAsync(journal.tail(0, never)), 'corrupt')
  t.regex(following.message, because)
}

test('an entry that is missing is a gap, for readers and followers', async t => {
  const { ensemble, session } = await written(5)
  await using _ = ensemble
  await session.transact([{ op: 'remove', path: batchPath(3), version: 'any' }])
  await unreadable(t, ensemble, /entry 3 is missing although 4 is there/)
})

test('entries that are missing at the end are a gap too', async t => {
  const { ensemble, session } = await written(5)
  await using _ = ensemble
  await session.transact([{ op: 'remove', path: batchPath(5), version: 'any' }])
  await unreadable(t, ensemble, /entries after 4 are missing although 5 was written/)
})

test('bytes that have changed break the chain', async t => {
  const { ensemble, session } = await written(3)
  await using _ = ensemble
  const node = await session.read(batchPath(2))
  const bytes = Buffer.from(node!.bytes)
  bytes[bytes.length - 10]! ^= 1
  await change(session, batchPath(2), bytes)
  await unreadable(t, ensemble, /entry 2 is damaged: its checksum differs/)
})

test('a batch that ends too early is damaged', async t => {
  const { ensemble, session } = await written(3)
  await using _ = ensemble
  const node = await session.read(batchPath(2))
  await change(session, batchPath(2), node!.bytes.subarray(0, -5))
  await unreadable(t, ensemble, /the batch at 2: it ends within entry 2/)
})

test('entries of another history do not follow', async t => {
  const { ensemble, session } = await written(3)
  const other = await written(2)
  await using _ = ensemble
  await using __ = other.ensemble
  await other.journal.append(numbered(33), { epoch: other.epoch })
  const foreign = await other.session.read(batchPath(3))
  await change(session, batchPath(3), foreign!.bytes)
  await unreadable(t, ensemble, /entry 3 is not the one that the head names/)
})

/** A session with a server that lacks an entry, the first so many times. */
function lacking(session: ZooKeeperSession, position: number, times: number): ZooKeeperSession {
  let left = times
  return new Proxy<ZooKeeperSession>(session, {
    get: (target, name) => {
      if (name === 'read') {
        return async (path: string) => {
          if (path === batchPath(position) && left-- > 0) return undefined
          return target.read(path)
        }
      }
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

test('what looks like a gap only once is read again', async t => {
  const { ensemble, session } = await written(4)
  await using _ = ensemble
  // Once where the next one is expected, and once where all are listed.
  await using journal = await openZooKeeperJournal(lacking(session, 3, 2), { log })
  t.deepEqual(
    (await read(journal)).map(({ position }) => position),
    [1, 2, 3, 4]
  )
})

test('what one server lacks is read from another', async t => {
  const { ensemble, session } = await written(4)
  await using _ = ensemble
  const asked: (string | undefined)[] = []
  const elsewhere = async (server: string | undefined) => {
    asked.push(server)
    return ensemble.connect()
  }
  const holed = lacking(session, 3, Number.POSITIVE_INFINITY)
  await using journal = await openZooKeeperJournal(holed, { log, elsewhere })
  t.is((await read(journal)).length, 4)
  t.deepEqual(asked, ['fake:2181'])
  await using alone = await openZooKeeperJournal(holed, { log })
  await rejects(t, read(alone), 'corrupt')
})

test('a head that has lost what was acknowledged is corrupt, not recovered', async t => {
  const { ensemble, session, journal, epoch } = await written(3)
  await using _ = ensemble
  const head = await session.read(headPath)
  await journal.append(numbered(4), { epoch })
  await change(session, headPath, head!.bytes)
  // The head's version has moved on, so the next append finds that it cannot follow.
  await rejects(t, journal.append(numbered(5), { epoch }), 'unavailable')
  const fault = await rejects(t, journal.recover(), 'corrupt')
  t.regex(fault.message, /entry 4 was acknowledged, but the last one is 3 now/)
})

test('the epoch is raised only with a proof, in the same transaction', async t => {
  await using ensemble = new FakeZooKeeper({ clock: realClock })
  const session = await ensemble.connect()
  let path: string | undefined
  await using journal = await openZooKeeperJournal(session, { log, proof: () => path })
  await rejects(t, journal.raiseEpoch(), 'stale')
  path = '/remuda/candidates-of-nobody'
  await journal.recover()
  await rejects(t, journal.raiseEpoch(), 'stale')
  await session.transact([{ op: 'create', path, bytes: new Uint8Array(), mode: 'ephemeral' }])
  await journal.recover()
  t.is(await journal.raiseEpoch(), 1)
  t.true((await session.read(epochPath))!.stat.version > 0, 'never is version 0 checked')
})

test('a head whose versions run out is replaced, and the chain goes on', async t => {
  await using ensemble = new FakeZooKeeper({ clock: realClock })
  const options = { log, headVersionMax: 7 }
  await using journal = await openZooKeeperJournal(await ensemble.connect(), options)
  const epoch = await journal.raiseEpoch()
  const stop = new AbortController()
  await using follower = await openZooKeeperJournal(await ensemble.connect(), { log })
  const seen: number[] = []
  const following = (async () => {
    for await (const { position } of follower.tail(0, stop.signal)) {
      if (seen.push(position) === 40) stop.abort()
    }
  })()
  for (let number = 1; number <= 40; number += 1) {
    t.is(await journal.append(numbered(number), { epoch }), number)
  }
  await following
  t.is(seen.length, 40)
})

test('parts of an entry that was never finished disturb nobody, and go with pruning', async t => {
  const { ensemble, session, journal, epoch } = await written(1)
  await using _ = ensemble
  await session.transact([
    { op: 'create', path: `${batchPath(2)}.${epoch}.0`, bytes: Buffer.from('left over') }
  ])
  const raised = await journal.raiseEpoch()
  const large = numbered(2, 'x'.repeat(1_500_000))
  t.is(await journal.append(large, { epoch: raised }), 2)
  t.is(await journal.append(numbered(3), { epoch: raised }), 3)
  t.deepEqual((await read(journal))[1]!.commit, large)
  await journal.writeCheckpoint({ position: 3, changed: [] })
  await journal.prune(3)
  const folder = batchPath(2).slice(0, batchPath(2).lastIndexOf('/'))
  t.deepEqual(await session.children(folder), [batchPath(3).slice(folder.length + 1)])
})

test('pruning leaves neither old batches nor empty buckets', async t => {
  const { ensemble, session, journal, epoch } = await written(0)
  await using _ = ensemble
  const filling = Array.from({ length: 13_000 }, (_, at) => numbered(at + 1))
  for (let from = 0; from < filling.length; from += 1_000) {
    const some = filling.slice(from, from + 1_000)
    await Promise.all(some.map(commit => journal.append(commit, { epoch })))
  }
  t.is((await session.children('/remuda/entries'))!.length, 3)
  await journal.writeCheckpoint({ position: 12_900, changed: [] })
  await journal.prune(12_900)
  t.is((await session.children('/remuda/entries'))!.length, 1)
  t.is((await read(journal, 12_900)).length, 100)
  t.is(await journal.append(numbered(13_001), { epoch }), 13_001)
})

test('a checkpoint removes what a broken-off one has left, and what was replaced', async t => {
  const { ensemble, session, journal, epoch } = await written(3)
  await using _ = ensemble
  const names = async () => {
    const folders = (await session.children('/remuda/checkpoint')) ?? []
    const pieces = folders.map(each => session.children(`/remuda/checkpoint/${each}`))
    return (await Promise.all(pieces)).flat().length
  }
  const chunk = (text: string) => new Map([['00001/00000', Buffer.from(text)]])
  await journal.writeCheckpoint({ position: 1, changed: chunk('first') })
  async function* broken() {
    yield ['00001/00000', Buffer.alloc(2_000_000)] as const
    throw new RangeError('cannot encode')
  }
  await t.throwsAsync(journal.writeCheckpoint({ position: 2, changed: broken() }))
  await journal.writeCheckpoint({ position: 2, changed: chunk('second') })
  await journal.writeCheckpoint({ position: 3, changed: chunk('third') })
  // A chunk and a listing each, of this checkpoint and of the one before.
  t.is(await names(), 4)
  t.is(await journal.append(numbered(4), { epoch }), 4)
})
