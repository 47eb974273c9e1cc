import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { mayHaveHappened } from '#shared/zookeeper/faults.ts'
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { suite, type ZooKeeperBed } from '../../contracts/zookeeper.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeZooKeeper } from '../../world/fake-zookeeper.ts'
import type { FakeSession } from '../../world/fake-zookeeper-session.ts'

const stepMs = 50
const untilMsMax = 60_000

async function makeBed(): Promise<ZooKeeperBed> {
  const clock = new FakeClock({ now: 1_000, turns: 4 })
  const ensemble = new FakeZooKeeper({ clock })
  const fake = (session: ZooKeeperSession) => session as FakeSession
  const settle = async <Result>(work: Promise<Result>): Promise<Result> => {
    let isDone = false
    const done = () => {
      isDone = true
    }
    work.then(done, done)
    await clock.passUntil(() => isDone, untilMsMax)
    return await work
  }
  return {
    open: options => ensemble.connect(options),
    cut: session => ensemble.cut(fake(session)),
    heal: session => ensemble.heal(fake(session)),
    hold: session => ensemble.hold(fake(session)),
    release: session => ensemble.release(fake(session)),
    loseReply: session => ensemble.loseReplies(fake(session)),
    now: () => clock.monotonic(),
    until: async condition => {
      const end = clock.monotonic() + untilMsMax
      while (!(await settle(Promise.resolve(condition())))) {
        if (clock.monotonic() > end) throw new Error(`it did not come about in ${untilMsMax} ms`)
        await clock.pass(stepMs)
      }
    },
    [Symbol.asyncDispose]: () => ensemble[Symbol.asyncDispose]()
  }
}

suite('fake ensemble', makeBed)

const none = new Uint8Array()
const create = (path: string): Operation => ({ op: 'create', path, bytes: none })

test('what was sent before a connection was left may happen until there is another', async t => {
  for (const isBack of [false, true]) {
    const clock = new FakeClock({ turns: 4 })
    await using ensemble = new FakeZooKeeper({ clock })
    const session = await ensemble.connect({ sessionMs: 4_000 })
    const other = await ensemble.connect()
    ensemble.hold(session)
    const lost = session.transact([create('/late')]).catch((thrown: unknown) => thrown)
    await clock.passUntil(() => session.server() === undefined, 4_000)
    t.true(mayHaveHappened(await lost))
    const held = session.up.held!
    if (isBack) {
      session.up.held = undefined
      session.down.held = undefined
      await clock.pass(100)
      session.tryConnecting()
      for (const deliver of held) deliver()
    } else ensemble.release(session)
    t.deepEqual(await other.children('/'), isBack ? [] : ['late'])
  }
})

test('a session whose process is paused hears of its end when it goes on', async t => {
  const clock = new FakeClock({ turns: 4 })
  await using ensemble = new FakeZooKeeper({ clock })
  const session = await ensemble.connect({ sessionMs: 4_000 })
  const other = await ensemble.connect({ sessionMs: 4_000 })
  await session.transact([{ ...create('/e'), mode: 'ephemeral' } as Operation])
  session.keepLease({ path: '/e', version: 0 })
  await clock.settle()
  ensemble.pause(session)
  const late = session.transact([create('/late')]).catch((thrown: unknown) => thrown)
  await clock.pass(20_000)
  t.deepEqual(await other.children('/'), [])
  t.false(session.ended.aborted)
  t.true(session.leaseUntil()! < clock.monotonic())
  ensemble.resume(session)
  await clock.pass(100)
  t.true(session.ended.aborted)
  t.is(((await late) as Fault).code, 'closed')
  t.deepEqual(await other.children('/'), [])
})

test('without a quorum nothing is carried out and no session ends that can wait', async t => {
  const clock = new FakeClock({ turns: 4 })
  await using ensemble = new FakeZooKeeper({ clock })
  const session = await ensemble.connect({ sessionMs: 4_000 })
  ensemble.stop()
  t.is(session.server(), undefined)
  await t.throwsAsync(session.transact([create('/a')]), { instanceOf: Fault })
  await t.throwsAsync(ensemble.connect(), { instanceOf: Fault })
  await clock.pass(3_000)
  ensemble.start()
  t.not(session.server(), undefined)
  await session.transact([create('/a')])
  await clock.pass(20_000)
  t.false(session.ended.aborted)
})

test('with a latency nothing overtakes, and a run repeats itself', async t => {
  const run = async () => {
    const clock = new FakeClock({ turns: 4 })
    let count = 0
    const latencyMs = () => (count++ * 7) % 13
    await using ensemble = new FakeZooKeeper({ clock, latencyMs })
    const sessions = [await ensemble.connect(), await ensemble.connect()]
    const log: string[] = []
    for (let index = 0; index < 20; index++) {
      const name = `/${index % 2}-${`${index}`.padStart(2, '0')}`
      const session = sessions[index % 2]!
      void session.transact([create(name)]).then(() => log.push(`${clock.monotonic()} ${name}`))
    }
    await clock.pass(1_000)
    return log
  }
  const log = await run()
  t.is(log.length, 20)
  for (const session of ['/0', '/1']) {
    const own = log.map(line => line.split(' ')[1]!).filter(name => name.startsWith(session))
    t.deepEqual(own, own.toSorted())
  }
  t.deepEqual(await run(), log)
})

test('a lost request may have happened, for all we know; a refused one has not', async t => {
  const clock = new FakeClock({ turns: 4 })
  await using ensemble = new FakeZooKeeper({ clock })
  const session = await ensemble.connect()
  ensemble.loseRequests(session)
  const lost = session.transact([create('/a')]).catch((thrown: unknown) => thrown)
  t.true(mayHaveHappened(await lost))
  await clock.pass(100)
  ensemble.refuse(session)
  const refused = session.transact([create('/a')]).catch((thrown: unknown) => thrown)
  t.false(mayHaveHappened(await refused))
  t.deepEqual(await session.children('/'), [])
  ensemble.expire(session)
  await clock.pass(100)
  t.true(session.ended.aborted)
})

test('a server that has fallen behind catches up with a sync, or a write of ours', async t => {
  for (const how of ['sync', 'write'] as const) {
    const clock = new FakeClock({ turns: 4 })
    await using ensemble = new FakeZooKeeper({ clock })
    const session = await ensemble.connect()
    const other = await ensemble.connect()
    ensemble.fallBehind(session)
    await other.transact([create('/a')])
    t.deepEqual(await session.children('/'), [], 'it does not know yet')
    t.deepEqual(await other.children('/'), ['a'])
    if (how === 'sync') await session.sync('/')
    else await session.transact([create('/b')])
    t.true((await session.children('/'))?.includes('a'))
  }
})
