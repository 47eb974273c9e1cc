import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { validator } from '#shared/model/validate.ts'
import { FenceLook } from '#shared/wire/bootd-question.ts'
import { fenceDeviceSuite } from '../contracts/fence-device.ts'
import { FakeBmc } from '../world/fake-bmc.ts'
import { Bed, checkOrder } from './fence-bed.ts'

fenceDeviceSuite('fake', async () => {
  const device = new FakeBmc()
  const silent = new FakeBmc()
  silent.faults.silent = true
  return {
    device,
    isRunning: () => device.isRunning,
    stranger: { device: FakeBmc.withWrongPassword(), password: 'sesame' },
    silent,
    [Symbol.asyncDispose]: async () => {}
  }
})

test('a fence ends with a proof that names its epoch and itself', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('off')])
  t.is(bed.state.phase, 'working')
  t.is(bed.state.level, 1)
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  const { verdict, devices } = bed.state
  t.false(bed.bmc('a1').isRunning)
  t.is(verdict?.verdict, 'off-confirmed')
  t.is(verdict?.fence, 'f-1')
  t.is(verdict?.epoch, 3)
  t.is(verdict?.tookMs, 250)
  t.regex(verdict!.because, /^h2 is off: attempt 1, level 1 of 1: .*\(2 readings\) read off twice/)
  t.like(devices[0], { level: 1, power: 'off', reachable: true })
  t.deepEqual(bed.bmc('a1').calls, ['off', 'power', 'power'])
})

test('the same order again does nothing, and another fence begins anew', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('off')])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  const count = bed.bmc('a1').calls.filter(call => call === 'off').length
  await bed.fencer.want([bed.order('off')])
  await bed.fencer.want([bed.order('off', { epoch: 4 })])
  await bed.clock.pass(3_000)
  t.is(bed.bmc('a1').calls.filter(call => call === 'off').length, count)
  t.is(bed.state.verdict?.epoch, 3)
  t.is(bed.state.epoch, 4)
  await bed.fencer.want([bed.order('off', { epoch: 4, fence: 'f-2' })])
  t.is(bed.state.verdict, undefined)
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.like(bed.state.verdict, { epoch: 4, fence: 'f-2' })
})

test('a fence under way goes on under a new controller, whose epoch the verdict names', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('off')])
  await bed.fencer.want([bed.order('off', { epoch: 4 })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.is(bed.state.verdict?.epoch, 4)
  t.deepEqual(bed.bmc('a1').calls, ['off', 'power', 'power'])
})

test('a liar proves nothing, the next level does, and the story tells both', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.lying = true
  await bed.fencer.want([bed.order('off', {}, [['a1'], ['b1', 'b2']])])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 60_000)
  const [first, second] = bed.state.story
  t.regex(first!, /^attempt 1, level 1 of 2: a1 says that it is off, but still reads on after 15/)
  t.regex(second!, /^attempt 1, level 2 of 2: b1 \(\d+ readings\) and b2 \(\d+ readings\) read off/)
  t.deepEqual(
    bed.state.devices.map(({ level, name, power }) => [level, name, power]),
    [
      [1, 'lab switch of a1', 'on'],
      [2, 'lab switch of b1', 'off'],
      [2, 'lab switch of b2', 'off']
    ]
  )
})

test('without proof it is tried for ever, and proven once a device answers again', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off')])
  await bed.clock.passUntil(() => bed.state.phase === 'waiting', 60_000)
  t.is(bed.state.verdict?.verdict, 'unknown')
  t.like(bed.state.devices[0], { reachable: false, power: 'unknown' })
  t.regex(bed.state.devices[0]!.because!, /cannot read the power from a1: not done in 8000 ms/)
  await bed.clock.passUntil(() => bed.state.attempt === 5, 600_000)
  bed.bmc('a1').faults.silent = false
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 120_000)
  t.is(bed.state.verdict?.verdict, 'off-confirmed')
})

test('a host is given its power again once that is wanted', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').isRunning = false
  await bed.fencer.want([bed.order('on', { fence: 'r-1' })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.true(bed.bmc('a1').isRunning)
  t.like(bed.state.verdict, { verdict: 'on-confirmed', fence: 'r-1' })
})

test('what is no longer wanted is stopped', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off')])
  await bed.clock.settle()
  t.is(bed.bmc('a1').inFlight, 1)
  await bed.fencer.want([bed.order('watch')])
  await bed.clock.settle()
  t.is(bed.bmc('a1').inFlight, 0)
  t.like(bed.state, { phase: 'idle', want: 'watch', story: [], attempt: 0 })
  t.is(bed.state.verdict, undefined)
  await bed.fencer.want([], 3)
  await bed.clock.settle()
  t.deepEqual(bed.fencer.reports(), [])
  t.true(bed.bmc('a1').isDisposed)
})

test('orders of a controller that was deposed are refused, also after a restart', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([], 7)
  t.is((await stat(bed.epochFile)).mode & 0o777, 0o600)
  t.deepEqual(JSON.parse(await readFile(bed.epochFile, 'utf8')), { version: 1, epoch: 7 })
  for (let restarts = 0; restarts < 2; restarts++) {
    const fault = await t.throwsAsync(bed.fencer.want([bed.order('off', { epoch: 6 })]))
    t.true(isFault(fault, 'stale'))
    t.is(fault?.message, 'cannot take fence orders of epoch 6: epoch 7 was seen already')
    await bed.clock.pass(1_000)
    t.deepEqual(bed.bmcs.size, 0)
    await bed.fencer[Symbol.asyncDispose]()
    await bed.start()
    t.is(bed.fencer.epoch, 7)
  }
})

test('a deposed controller cannot withdraw what is wanted', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off', { epoch: 7 })])
  t.true(isFault(await t.throwsAsync(bed.fencer.want([], 6)), 'stale'))
  t.true(isFault(await t.throwsAsync(bed.fencer.want([])), 'invalid'))
  t.is(bed.state.phase, 'working')
})

test('what is wanted lasts only while its controller is heard', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer[Symbol.asyncDispose]()
  await bed.start(10_000)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off')])
  await bed.clock.pass(9_000)
  await bed.fencer.heard(3)
  await bed.clock.pass(9_000)
  t.not(bed.state.phase, 'idle')
  await bed.clock.pass(1_000)
  t.like(bed.state, { phase: 'idle', want: 'off' })
  bed.bmc('a1').faults.silent = false
  const before = bed.bmc('a1').calls.filter(call => call === 'off').length
  await bed.clock.pass(120_000)
  t.is(bed.bmc('a1').calls.filter(call => call === 'off').length, before)
  t.true(bed.bmc('a1').isRunning)
  await bed.fencer.heard(3)
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  await bed.clock.pass(60_000)
  t.is(bed.state.verdict?.verdict, 'off-confirmed')
})

test('another controller that is heard does not renew what its predecessor wants', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer[Symbol.asyncDispose]()
  await bed.start(10_000)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off')])
  await bed.fencer.heard(4)
  t.true(isFault(await t.throwsAsync(bed.fencer.heard(3)), 'stale'))
  t.true(isFault(await t.throwsAsync(bed.fencer.want([bed.order('off')])), 'stale'))
  for (let beat = 0; beat < 30; beat++) {
    await bed.fencer.heard(4)
    await bed.clock.pass(500)
  }
  t.is(bed.state.phase, 'idle')
  await bed.fencer.want([bed.order('off', { epoch: 4 })])
  t.is(bed.state.phase, 'working')
})

test('what cannot be kept is not fenced, and what was wanted before neither', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off', { epoch: 7 })])
  await rm(bed.epochFile)
  await mkdir(join(bed.epochFile, 'in its place'), { recursive: true })
  t.true(isFault(await t.throwsAsync(bed.fencer.heard(8)), 'storage'))
  t.is(bed.state.phase, 'working', 'whoever leads now has said nothing of it yet')
  const off = bed.order('off', { epoch: 8, fence: 'f-2' })
  t.true(isFault(await t.throwsAsync(bed.fencer.want([off])), 'storage'))
  t.like(bed.state, { phase: 'idle', epoch: 7 })
  bed.bmc('a1').faults.silent = false
  await bed.clock.pass(60_000)
  t.true(bed.bmc('a1').isRunning)
  t.is(bed.fencer.epoch, 7)
  for (const act of [
    () => bed.fencer.heard(7),
    () => bed.fencer.want([bed.order('off', { epoch: 7 })])
  ]) {
    t.true(isFault(await t.throwsAsync(act()), 'stale'))
  }
  await rm(bed.epochFile, { recursive: true })
  await bed.fencer.want([off])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 60_000)
  t.like(bed.state, { epoch: 8, fence: 'f-2' })
})

test('a secret that could say something else to a program is refused', async t => {
  await using bed = await Bed.open(t)
  const order = bed.order('off')
  for (const secret of ['', 'a\nplug=3', 'a\0', 'a\r']) {
    t.is(checkOrder({ ...order, secrets: { bmc: secret } })[0]?.pointer, '/secrets/bmc')
  }
})

test('a host that is named twice is refused', async t => {
  await using bed = await Bed.open(t)
  const fault = await t.throwsAsync(bed.fencer.want([bed.order('off'), bed.order('on')]))
  t.is(fault?.message, 'cannot take fence orders: a host is named twice')
})

test('a kept epoch that cannot be read is said, not forgotten', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([], 7)
  await writeFile(bed.epochFile, '{"version":1}', { mode: 0o600 })
  t.true(isFault(await t.throwsAsync(bed.start()), 'corrupt'))
})

test('watched devices are looked at again and again, and a dead one is told', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('watch', {}, [['a1'], ['b1']])])
  t.like(bed.state.devices[0], { level: 1, power: 'unknown', reachable: undefined })
  await bed.clock.pass(130_000)
  t.like(bed.state.devices[0], { power: 'on', reachable: true })
  const looks = bed.bmc('a1').calls.length
  t.true(looks >= 2 && looks <= 5, `${looks} looks`)
  t.false(bed.bmc('a1').calls.includes('off'))
  const changes = bed.changes
  await bed.clock.pass(120_000)
  t.is(bed.changes, changes)
  bed.bmc('b1').faults.wrongPassword = true
  await bed.clock.pass(66_000)
  t.is(bed.changes, changes + 1)
  const { since, because } = bed.state.devices[1]!
  t.is(because, 'cannot log in: the password is wrong')
  await bed.clock.pass(120_000)
  t.is(bed.state.devices[1]!.since, since)
  const warnings = bed.lines.map(line => JSON.parse(line)).filter(({ level }) => level === 'warn')
  t.is(warnings.length, 1, 'it is told once')
  t.like(warnings[0], { message: 'fence device', device: 'lab switch of b1', reachable: false })
})

test('one lost answer of a device that has answered is not told, a second one is', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('watch')])
  await bed.clock.pass(130_000)
  const { changes } = bed
  const looksOf = (): number => bed.bmc('a1').calls.length
  bed.bmc('a1').faults.failing = 1
  let before = looksOf()
  await bed.clock.passUntil(() => looksOf() === before + 1, 61_000)
  await bed.clock.passUntil(() => looksOf() === before + 2, 5_100)
  t.is(bed.changes, changes)
  t.like(bed.state.devices[0], { power: 'on', reachable: true, because: undefined })
  bed.bmc('a1').faults.failing = 2
  before = looksOf()
  await bed.clock.passUntil(() => looksOf() === before + 2, 66_000)
  await bed.clock.settle()
  t.is(bed.changes, changes + 1)
  t.like(bed.state.devices[0], { reachable: false, because: 'cannot answer: busy' })
})

test('a device that does not answer the first look at it is told of at once', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.failing = 1
  await bed.fencer.want([bed.order('watch')])
  await bed.clock.passUntil(() => bed.state.devices[0]?.reachable === false, 20_000)
  t.is(bed.bmc('a1').calls.length, 1)
})

test('devices may be looked at now', async t => {
  await using bed = await Bed.open(t)
  t.true(isFault(await t.throwsAsync(bed.fencer.look('uuid-2')), 'not-found'))
  await bed.fencer.want([bed.order('watch', {}, [['a1'], ['b1']])])
  const at = new Date(bed.clock.wall()).toISOString()
  const seen = { power: 'on', reachable: true, isNow: true, askedAt: at } as const
  const first = await bed.fencer.look('uuid-2')
  t.deepEqual(validator(FenceLook)(first), [])
  t.like(first, { epoch: 3, devices: [seen, seen] } as object)
  bed.bmc('b1').faults.wrongPassword = true
  const looks = bed.bmc('b1').calls.length
  const { devices } = await bed.fencer.look('uuid-2')
  t.is(bed.bmc('b1').calls.length, looks + 2, 'it is asked twice before it is called silent')
  t.like(devices[1], { isNow: true, reachable: false })
})

test('who looks is told of a device that takes too long, and when it was asked last', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('watch', {}, [['a1'], ['b1']])])
  const { devices } = await bed.fencer.look('uuid-2')
  bed.bmc('b1').faults.silent = true
  await bed.clock.pass(1_000)
  const looking = bed.fencer.look('uuid-2')
  let late: typeof devices | undefined
  void looking.then(said => {
    late = said.devices
  })
  await bed.clock.passUntil(() => late !== undefined, 5_100)
  t.true(late![0]!.isNow)
  t.like(late![1], { isNow: false, power: 'on', reachable: true })
  t.is(late![1]!.askedAt, devices[1]!.askedAt)
})

test('a fence does not wait for a look at the same device', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('watch')])
  await bed.clock.passUntil(() => bed.bmc('a1').inFlight === 1, 20_000)
  bed.bmc('a1').faults.silent = false
  await bed.fencer.want([bed.order('off')])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 1_000)
  t.is(bed.state.verdict?.tookMs, 250)
  t.is(bed.bmc('a1').inFlightMost, 1)
})

test('a fence goes on with other devices when those are changed', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off')])
  await bed.clock.settle()
  await bed.fencer.want([bed.order('off', {}, [['b1']])])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.true(bed.bmc('a1').isDisposed)
  t.false(bed.bmc('b1').isRunning)
})

test('a whole rack is fenced, eight at a time', async t => {
  await using bed = await Bed.open(t)
  const hosts = Array.from({ length: 40 }, (_, index) => `h${index}`)
  const orders = hosts.map(name =>
    bed.order('off', { name, host: `uuid-${name}`, fence: `f-${name}` }, [[name]])
  )
  await bed.fencer.want(orders)
  const isDone = () => bed.fencer.reports().every(({ phase }) => phase === 'proven')
  await bed.clock.passUntil(isDone, 60_000)
  for (const name of hosts) t.false(bed.bmc(name).isRunning)
})
