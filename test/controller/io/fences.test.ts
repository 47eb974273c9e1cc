import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#shared/log.ts'
import type { FenceOrders } from '#shared/wire/messages.ts'
import { bootdPeer } from '../../../controller/io/bootd-line.ts'
import { Fences } from '../../../controller/io/fences.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { FakeNet } from '../../world/fake-mesh.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const epoch = 6

/** A controller of epoch 6 and bootds at c1, its own machine, and c2. */
async function scene(t: ExecutionContext) {
  const net = new FakeNet()
  const clock = new FakeClock()
  const stop = new AbortController()
  const { signal } = stop
  const seats = await Promise.all(
    ['c1', 'c2'].map(async name => ({ name, ...(await net.agent(bootdPeer(name))) }))
  )
  const bootds = seats.map(({ name, mesh, peer }) => {
    const bootd = {
      ...{ name, mesh, peer },
      /** What it was told of fences, last. */
      told: undefined as FenceOrders | undefined,
      times: 0,
      /** The highest epoch that it could write down. */
      kept: epoch,
      beat: () =>
        mesh.send({
          ...{ type: 'heartbeat', number: 1, loopLagMs: 0, epoch: bootd.kept, generation: 0 }
        })
    }
    const listen = async (): Promise<void> => {
      for await (const message of mesh.messages(signal)) {
        if (message.type !== 'fence-orders') continue
        bootd.told = message
        bootd.times += 1
        if (bootd.kept >= message.epoch) continue
        const because = 'cannot write epoch.json (ENOSPC)'
        mesh.send({ type: 'refusal', epoch: bootd.kept, generation: 0, because })
      }
    }
    void listen()
    return bootd
  })
  const fences = new Fences({
    ...{ mesh: net.controller(() => epoch), view: sampleCloud().view, own: 'c1' },
    feed: { report: () => {}, forgetStatus: () => {} },
    ...{ epoch: () => epoch, mayAct: () => true, durable: async () => {} },
    record: async () => {},
    bootds: async () => bootds.map(({ name, peer }) => ({ name, ...peer })),
    ...{ onNews: () => {}, clock, log: silentLog }
  })
  const over = fences.run(signal)
  const beat = async (times: number): Promise<void> => {
    for (let beats = 0; beats < times; beats += 1) {
      for (const bootd of bootds) bootd.beat()
      await clock.pass(500)
    }
  }
  t.teardown(async () => {
    stop.abort()
    await clock.pass(10_000)
    await over
    await net[Symbol.asyncDispose]()
  })
  return { fences, beat, one: bootds[0]!, other: bootds[1]! }
}

test('hosts are fenced through another bootd where one cannot keep the epoch', async t => {
  const { fences, beat, one, other } = await scene(t)
  one.kept = epoch - 1
  await beat(4)
  t.is(fences.active, 'c2')
  t.is(other.told?.epoch, epoch)
  t.deepEqual(one.told?.orders, [], 'whoever was used before leaves the devices alone')
  const { times } = one
  await beat(20)
  t.is(fences.active, 'c2')
  t.is(one.times, times, 'it is not asked again and again')
})

test('a bootd that is the only one is told again once it can keep the epoch', async t => {
  const { fences, beat, one, other } = await scene(t)
  one.kept = epoch - 1
  other.kept = epoch - 1
  await beat(8)
  const { active } = fences
  const used = active === 'c1' ? one : other
  const { times } = used
  await beat(8)
  t.is(fences.active, active)
  t.is(used.times, times, 'it has refused and is let be')
  used.kept = epoch
  await beat(2)
  t.is(fences.active, active)
  t.true(used.times > times)
})
