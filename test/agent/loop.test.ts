import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import { stepSentence } from '../../agent/core/steps.ts'
import { LoopRig } from './loop-rig.ts'
import { emptyOrder, idOf, image, instance, order, pool, volume } from './samples.ts'

const key = (number = 1) => ({ driver: 'qemu', uuid: uuidOf(idOf('i', number)) }) as const

/** A rig whose ordered instance runs. */
async function running(given = order()): Promise<LoopRig> {
  const rig = new LoopRig()
  await rig.start()
  await rig.order(given, 1_000)
  return rig
}
const powers = (rig: LoopRig) => rig.report.instances.map(({ power }) => power)

test('an order is brought about within a second and reported as settled', async t => {
  await using rig = await running()
  t.deepEqual(rig.deeds, ['create acme.web'])
  t.deepEqual(rig.network.announced, ['10.66.0.10'], 'the switches are told where it is')
  t.deepEqual(powers(rig), ['running'])
  t.is(rig.report.generation, 1)
  t.is(rig.report.settledGeneration, 1)
  t.is(rig.report.volumes[0]?.phase, 'ready')
  t.is(rig.report.networks[0]?.phase, 'ready')
  t.is(rig.report.pools[0]?.phase, 'ready')
  t.deepEqual(rig.report.images, [idOf('im', 1)])
  t.is(rig.keeper.orders, 1)
})

test('an instance that was destroyed behind the agent runs again within a second', async t => {
  await using rig = await running()
  rig.hypervisor.kill(key(), { detail: 'destroyed' })
  await rig.clock.settle()
  t.deepEqual(await rig.domains(), [])
  await rig.clock.pass(300)
  t.is((await rig.domains()).length, 1)
  t.deepEqual(
    rig.report.notices.map(({ reason }) => reason),
    ['instance-started', 'instance-ended', 'instance-started']
  )
  t.is(rig.report.instances[0]?.startCount, 2)
})

test('an end of which no event came is found at the next look', async t => {
  await using rig = await running()
  rig.hypervisor.kill(key(), { silently: true })
  await rig.clock.pass(2_500)
  t.is((await rig.domains()).length, 1)
})

test('without any change a report is sent every 2 s', async t => {
  await using rig = await running()
  await rig.clock.pass(3_000)
  const count = rig.reports.length
  await rig.clock.pass(20_000)
  t.is(rig.reports.length - count, 10)
})

test('a storm of events gives a bounded number of looks and reports', async t => {
  await using rig = await running()
  const looks = rig.hypervisor.calls.filter(call => call === 'domains').length
  const reports = rig.reports.length
  for (let times = 0; times < 500; times++) {
    await rig.hypervisor.suspend(key())
    await rig.hypervisor.resume(key())
    await rig.clock.pass(2)
  }
  t.true(rig.hypervisor.calls.filter(call => call === 'domains').length - looks <= 110)
  t.true(rig.reports.length - reports <= 25)
})

test('facts are in the first report, in the first of each epoch, and once a minute', async t => {
  await using rig = await running()
  const withFacts = () => rig.reports.filter(({ facts }) => facts !== undefined).length
  t.is(withFacts(), 2)
  await rig.order(order({ epoch: 2 }), 1_000)
  t.is(withFacts(), 3)
  await rig.clock.pass(60_000)
  t.is(withFacts(), 4)
})

test('an order of a lower epoch is refused and told', async t => {
  await using rig = await running(order({ epoch: 3 }))
  const refusal = rig.loop.takeOrder(emptyOrder({ epoch: 2, generation: 9 }))
  t.regex(refusal?.because ?? '', /epoch 3 has been seen/)
  await rig.clock.pass(1_000)
  t.is((await rig.domains()).length, 1)
  t.is(rig.report.notices.at(-1)?.reason, 'order-refused')
})

test('a stop waits for the guest, then pulls the plug', async t => {
  await using rig = await running()
  rig.hypervisor.setObeys(key(), false)
  const stopped = instance({ desiredPower: 'stopped', stopGraceMs: 3_000 })
  await rig.order(order({ generation: 2, instances: [stopped] }), 2_900)
  t.deepEqual(powers(rig), ['stopping'])
  await rig.clock.pass(200)
  t.deepEqual(powers(rig), ['stopped'])
  t.deepEqual(rig.deeds.slice(1), ['shutdown acme.web', 'destroy acme.web'])
  t.is(rig.report.settledGeneration, 2)
})

test('an instance that left the order is reported until it has ended', async t => {
  await using rig = await running()
  rig.hypervisor.setObeys(key(), false)
  await rig.order(emptyOrder({ generation: 2 }), 5_000)
  t.is(rig.report.generation, 2)
  t.deepEqual(powers(rig), ['stopping'])
  await rig.clock.pass(11_000)
  t.deepEqual(rig.report.instances, [])
  t.is(rig.storage.seeds.size, 0)
  t.deepEqual(rig.forgotten, [idOf('i', 1)])
})

test('a restarted agent adopts what runs and restarts nothing', async t => {
  await using rig = await running()
  await rig.restart()
  await rig.clock.pass(5_000)
  t.deepEqual(rig.deeds, ['create acme.web'])
  t.deepEqual(powers(rig), ['running'])
  t.is(rig.report.agentRun, 'run-2')
  t.is(rig.report.generation, 1)
})

test('what an interrupted deletion left is removed once a controller has spoken', async t => {
  await using rig = await running()
  const [gone, mine, foreign] = [1, 2, 3].map(number => idOf('i', number)) as [
    string,
    string,
    string
  ]
  rig.hypervisor.setObeys(key(), false)
  await rig.order(emptyOrder({ generation: 2 }), 100)
  await rig.stop()
  rig.hypervisor.kill(key(), { detail: 'shutdown' })
  for (const id of [gone, mine, foreign]) rig.remains.add(id)
  rig.hypervisor.addForeign({ uuid: uuidOf(foreign), name: 'its', driver: 'qemu' })
  await rig.restart()
  await rig.clock.pass(20_000)
  t.deepEqual(rig.forgotten, [])
  t.is(rig.storage.seeds.size, 1)
  const other = instance({ id: mine, name: 'other', desiredPower: 'stopped', volumes: [] })
  await rig.order(emptyOrder({ generation: 3, instances: [other] }), 20_000)
  t.deepEqual(rig.forgotten, [gone])
  t.is(rig.storage.seeds.size, 0)
  t.deepEqual([...rig.remains], [mine, foreign])
})

test('many remains are removed some at a time', async t => {
  await using rig = new LoopRig()
  for (let number = 1; number <= 100; number++) rig.remains.add(idOf('i', number))
  await rig.start()
  await rig.order(emptyOrder(), 60_000)
  t.is(rig.remains.size, 0)
  t.is(rig.forgotten.length, 100)
})

test('an agent that is restarted counts starts on from where it was', async t => {
  await using rig = await running()
  rig.hypervisor.kill(key(), { detail: 'crashed' })
  await rig.clock.pass(1_000)
  t.is(rig.report.instances[0]?.startCount, 2)
  await rig.restart()
  await rig.clock.pass(1_000)
  t.is(rig.report.instances[0]?.startCount, 2)
  rig.hypervisor.kill(key(), { detail: 'crashed' })
  await rig.clock.pass(1_000)
  t.is(rig.report.instances[0]?.startCount, 3)
})

test('without a controller a remembered order of the same boot keeps instances alive', async t => {
  await using rig = await running()
  await rig.restart()
  rig.hypervisor.kill(key(), { detail: 'crashed' })
  await rig.clock.pass(1_000)
  t.is((await rig.domains()).length, 1)
})

test('after a reboot an instance that may start alone is started, and no other one', async t => {
  await using rig = await running()
  await rig.stop()
  rig.hypervisor.powerCut()
  rig.keeper.recalled = { ...rig.keeper.recalled, origin: 'other-boot' }
  rig.services = new Set(['i-none'])
  await rig.restart()
  await rig.clock.pass(10_000)
  t.deepEqual(await rig.domains(), [])
  await rig.stop()
  rig.services = new Set([instance().id])
  await rig.restart()
  await rig.clock.pass(10_000)
  t.is((await rig.domains()).length, 1)
  t.is(rig.report.generation, 0, 'it acts on no order')
  t.deepEqual(powers(rig), ['running'])
})

test('after a reboot nothing is started until a controller has spoken', async t => {
  await using rig = new LoopRig()
  const remembered = order({ epoch: 4, generation: 9 })
  rig.keeper.recalled = {
    seen: { cloud: remembered.cloud, epoch: 4, generation: 9 },
    order: remembered,
    origin: 'other-boot',
    marks: {}
  }
  await rig.start()
  await rig.clock.pass(60_000)
  t.deepEqual(rig.deeds, [])
  t.deepEqual(
    rig.storage.calls.filter(call => call !== 'images'),
    []
  )
  t.is(rig.network.applied, 0)
  t.is(rig.loop.desired?.order.generation, 9)
  t.is(rig.report.generation, 0, 'the controller must send the order again')
  t.is(rig.report.instances[0]?.reason, 'order-old')
  await rig.order(remembered, 1_000)
  t.is((await rig.domains()).length, 1)
})

test('nothing is said of instances while libvirt was never seen', async t => {
  await using rig = new LoopRig()
  for (let times = 0; times < 40; times++) {
    rig.hypervisor.failNext('domains', new Fault('unavailable', 'cannot reach libvirt'))
  }
  await rig.start()
  await rig.order(order(), 100)
  t.is(rig.report.generation, 0)
  t.is(rig.report.instances[0]?.reason, 'hypervisor-away')
  t.deepEqual(rig.deeds, [])
  await rig.clock.pass(90_000)
  t.is(rig.report.generation, 1)
  t.deepEqual(powers(rig), ['running'])
})

test('while libvirt is away nothing is taken for ended', async t => {
  await using rig = await running()
  for (let times = 0; times < 5; times++) {
    rig.hypervisor.failNext('domains', new Fault('unavailable', 'cannot reach libvirt'))
  }
  await rig.clock.pass(6_000)
  t.is(rig.report.instances[0]?.reason, 'hypervisor-away')
  t.is(rig.report.instances[0]?.power, 'running')
  await rig.clock.pass(10_000)
  t.deepEqual(rig.deeds, ['create acme.web'])
  t.is(rig.report.instances[0]?.reason, 'running')
})

test('a failing instance does not stop the others and is tried again', async t => {
  const others = [1, 2, 3, 4, 5, 6].map(number =>
    instance({ id: idOf('i', number), name: `web${number}`, volumes: [idOf('v', number)] })
  )
  const volumes = [1, 2, 3, 4, 5, 6].map(number => volume({ id: idOf('v', number) }))
  await using rig = new LoopRig()
  await rig.start()
  rig.hypervisor.failNext('create', new Fault('hypervisor', 'cannot start: out of memory'))
  await rig.order(order({ instances: others, volumes }), 400)
  t.is((await rig.domains()).length, 5)
  const failed = rig.report.instances.find(({ power }) => power === 'failed')
  t.is(failed?.reason, 'hypervisor-refused')
  await rig.clock.pass(1_000)
  t.is((await rig.domains()).length, 6)
})

test('a fetch that is no longer wanted is given up, and the next order done', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.hold('fetchImage')
  await rig.order(order(), 60_000)
  t.is(rig.report.instances[0]?.reason, 'no-volume')
  t.deepEqual(rig.loop.underWay.map(stepSentence), ['fetch image tiny, 1000000 bytes'])
  await rig.order(emptyOrder({ generation: 2 }), 100)
  t.deepEqual(rig.loop.underWay, [])
  t.is(rig.report.settledGeneration, 2)
})

test('a new ticket for an image does not interrupt its fetching', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.hold('fetchImage')
  await rig.order(order(), 1_000)
  const again = image({ url: 'http://controller.example/images/tiny?ticket=2' })
  await rig.order(order({ generation: 2, images: [again] }), 1_000)
  rig.storage.release('fetchImage')
  await rig.clock.pass(1_000)
  t.is(rig.storage.calls.filter(call => call.startsWith('fetchImage')).length, 1)
  t.deepEqual(powers(rig), ['running'])
})

test('a corrupt image is told and fetched again', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.failNext('fetchImage', new Fault('corrupt', 'cannot keep image tiny: hash differs'))
  await rig.order(order(), 200)
  t.is(rig.report.notices[0]?.reason, 'image-corrupt')
  t.regex(rig.report.volumes[0]?.message ?? '', /hash differs; try 2 in/)
  await rig.clock.pass(1_000)
  t.deepEqual(powers(rig), ['running'])
})

test('a start that is slow does not hold up reports, other orders or other instances', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.hold('createVolume')
  await rig.order(order(), 10_000)
  t.is(rig.report.instances[0]?.reason, 'no-volume')
  const other = instance({ id: idOf('i', 2), name: 'other', volumes: [] })
  await rig.order(order({ generation: 2, instances: [instance(), other] }), 1_000)
  t.deepEqual(powers(rig), ['starting', 'running'])
  t.deepEqual(
    (await rig.domains()).map(({ name }) => name),
    ['acme.other']
  )
})

test('a storage that hangs does not hold up domains', async t => {
  await using rig = await running()
  rig.storage.hold('volumes')
  await rig.clock.pass(30_000)
  rig.hypervisor.kill(key())
  await rig.clock.pass(500)
  t.is((await rig.domains()).length, 0)
  t.is(rig.report.pools[0]?.phase, 'failed')
  t.regex(rig.report.pools[0]?.message ?? '', /has not answered for 20000 ms/)
  rig.storage.release('volumes')
  await rig.clock.pass(10_000)
  t.deepEqual(powers(rig), ['running'])
})

test('a full disk does not keep an order from being carried out', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.keeper.fails = true
  await rig.order(order(), 1_000)
  t.deepEqual(powers(rig), ['running'])
})

test('a failing network is told of its own, and what does not need it starts', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.network.failures.set(idOf('n', 1), 'cannot use default: eth9 is not there')
  const lonely = instance({ id: idOf('i', 2), name: 'lonely', volumes: [], ports: [] })
  await rig.order(order({ instances: [instance(), lonely] }), 1_000)
  t.deepEqual(powers(rig), ['failed', 'running'])
  t.regex(rig.report.instances[0]!.message, /eth9 is not there/)
  rig.network.failures.clear()
  await rig.clock.pass(4_000)
  t.deepEqual(powers(rig), ['running', 'running'])
})

test('a volume is created once though looks at the storage overlap its creation', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.hold('volumes')
  await rig.order(order(), 100)
  rig.storage.release('volumes')
  await rig.clock.pass(30_000)
  t.is(rig.storage.calls.filter(call => call.startsWith('createVolume')).length, 1)
})

test('the domain says what it was made from', async t => {
  await using rig = await running()
  const [domain] = await rig.domains()
  const said = JSON.parse(domain?.metadata ?? '{}')
  t.is(said.id, idOf('i', 1))
  t.is(said.startedAt, rig.report.instances[0]?.startedAt)
  t.is(rig.watched[0]?.metadata.name, 'web')
})

test('an agent that ends leaves what runs alone', async t => {
  await using rig = await running()
  await rig.stop()
  t.deepEqual(rig.deeds, ['create acme.web'])
  t.is((await rig.domains()).length, 1)
})

test('an agent that ends gives up what can be given up', async t => {
  await using rig = new LoopRig()
  await rig.start()
  rig.storage.hold('fetchImage')
  await rig.order(order(), 100)
  const begun = rig.clock.monotonic()
  await rig.stop()
  t.true(rig.clock.monotonic() - begun <= 10_000)
})

test('a volume that shall go is removed, and told as absent from then on', async t => {
  await using rig = await running()
  const gone = emptyOrder({
    generation: 2,
    pools: [pool()],
    volumes: [volume({ desired: 'absent' })]
  })
  await rig.order(gone, 1_000)
  t.is(rig.report.volumes[0]?.phase, 'absent')
  t.is(rig.storage.stored.size, 0)
})
