/** Hosts that are emptied and filled again: who leaves, in which order, and what is said. */
import test from 'ava'
import { departuresOf } from '../../../controller/core/drain.ts'
import { departureShown } from '../../../controller/core/duty-document.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { Yard } from '../../world/yard.ts'

const room = 8_192
const three = { h1: room, h2: room, h3: room }
const many = (count: number, spec: object = {}): Record<string, object> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`vm-${at}`, spec]))

test('a host is emptied live, so many at once, and is out of service then', t => {
  const yard = new Yard(three)
  yard.fill('h1', many(5))
  yard.drain('h1')
  yard.decide()
  t.is(yard.duty('h1'), 'draining')
  t.regex(yard.ready('h1'), /^is emptied since .* by user\/admin, and takes nothing in$/)
  t.is(yard.moving().length, 2)
  t.true(yard.moving().every(each => each.endsWith('live')))
  yard.turns(20)
  t.deepEqual(yard.on('h1'), [])
  t.is(yard.duty('h1'), 'maintenance')
  t.regex(yard.because('h1', 'drained'), /5 of 5 instances left in .*, .*still 40 ms$/)
  t.true(yard.on('h2').length > 0 && yard.on('h3').length > 0, 'they are spread')
})

test('how one is sent goes by its own wish before that for all of the host', t => {
  const yard = new Yard(three)
  yard.fill('h1', { own: { migration: { downtimeMs: 30 } }, usual: {} })
  yard.drain('h1', { pace: { downtimeMs: 900, bandwidthMib: 10 } })
  yard.decide()
  const paceOf = (name: string) =>
    yard.cloud.view.named('instance', name, 'default')?.decided.moving?.pace
  t.deepEqual(paceOf('own'), { downtimeMs: 30, bandwidthMib: 10 })
  t.deepEqual(paceOf('usual'), { downtimeMs: 900, bandwidthMib: 10 })
})

test('the most important leave first', t => {
  const yard = new Yard(three)
  yard.fill('h1', { low: { priority: 1 }, high: { priority: 900 }, usual: {} })
  yard.drain('h1', { parallel: 1 })
  const begun = yard.turns(20).filter(each => each.startsWith('moving '))
  t.deepEqual(
    begun.map(each => each.split('/').at(-1)),
    ['high', 'usual', 'low']
  )
})

const stays: readonly {
  readonly title: string
  readonly spec: object
  readonly cold?: boolean
  readonly power?: 'stopped' | 'failed'
  readonly ends: 'h1' | 'elsewhere'
  readonly because?: RegExp
}[] = [
  {
    title: 'of a local volume stays',
    spec: { pool: 'local' },
    ends: 'h1',
    because: /its volume web-root\S* is in pool local, which only its own host sees/
  },
  {
    title: 'that is bound to the host stays',
    spec: { host: 'h1' },
    ends: 'h1',
    because: /it may run on h1 alone \(spec\.host\)/
  },
  {
    title: 'that is a container stays',
    spec: { type: 'container', image: 'tiny-container' },
    ends: 'h1',
    because: /a container cannot go while it runs: with --cold/
  },
  {
    title: 'that is a container goes when it may be shut down for it',
    spec: { type: 'container', image: 'tiny-container' },
    cold: true,
    ends: 'elsewhere'
  },
  {
    title: 'that is a container and does not run goes',
    spec: { type: 'container', image: 'tiny-container' },
    power: 'failed',
    ends: 'elsewhere'
  },
  { title: 'that is stopped goes', spec: { desiredPower: 'stopped' }, ends: 'elsewhere' }
]

for (const { title, spec, cold = false, power, ends, because } of stays) {
  test(`an instance ${title}`, t => {
    const yard = new Yard(three)
    yard.fill('h1', { web: spec })
    if (power) yard.powers.set('web', power)
    yard.turn()
    yard.drain('h1', { cold })
    yard.turns(10)
    t.is(yard.duty('h1'), 'maintenance')
    const { host } = yard.instance('web').decided
    t.is(host === 'h1' ? 'h1' : 'elsewhere', ends)
    if (because) t.regex(yard.because('h1', 'drained'), because)
  })
}

test('with nowhere to go they stay, the host stays in watch, and goes on once there is room', t => {
  const yard = new Yard({ h1: room, h2: 1_024 })
  yard.fill('h1', { one: { memoryMib: 400 }, two: { memoryMib: 400 } })
  yard.drain('h1')
  yard.turns(10)
  t.deepEqual(yard.on('h1'), ['two'])
  t.is(yard.duty('h1'), 'draining')
  t.regex(
    yard.because('h1', 'drain-held'),
    /1 cannot leave: two \(none of 1 host can take it \(h2: needs 400 MiB, has 112/
  )
  t.deepEqual(yard.turns(10), [], 'it is told once')
  const id = yard.instance('one').id
  yard.cloud.done({ verb: 'power', id, power: 'stopped' })
  yard.turns(10)
  t.deepEqual(yard.on('h1'), [])
  t.is(yard.duty('h1'), 'maintenance')
})

test('a move that came to nothing is begun again later, and others go on meanwhile', t => {
  const yard = new Yard(three)
  yard.fill('h1', many(3))
  yard.failing.add('vm-0')
  yard.drain('h1', { parallel: 1 })
  yard.turns(30)
  t.deepEqual(yard.on('h1'), ['vm-0'])
  t.is(yard.cloud.host('h1').decided.duty?.tries?.[yard.instance('vm-0').id]?.count, 2)
  yard.turns(20, 60_000)
  t.is(yard.duty('h1'), 'draining')
  t.regex(yard.because('h1', 'drain-held'), /moves have come to nothing, the last one to h[23]/)
  yard.failing.clear()
  yard.turns(20, 60_000)
  t.is(yard.duty('h1'), 'maintenance')
})

test('no host takes more in at once than it may, whoever sends them', t => {
  const yard = new Yard({ h1: room, h2: room })
  yard.fill('h1', many(9))
  yard.drain('h1', { parallel: 9 })
  yard.decide()
  t.is(yard.moving().length, 4)
  yard.turns(20)
  t.is(yard.duty('h1'), 'maintenance')
})

test('nothing arrives at a host that is emptied, and what is on its way there leaves again', t => {
  const yard = new Yard(three)
  yard.fill('h2', { web: {} })
  yard.cloud.done({ verb: 'move', id: yard.instance('web').id, to: 'h1' })
  yard.drain('h1')
  yard.decide()
  t.is(yard.duty('h1'), 'draining')
  yard.turns(10)
  t.is(yard.duty('h1'), 'maintenance')
  t.not(yard.instance('web').decided.host, 'h1')
  const verdict = yard.cloud.judged({ verb: 'move', id: yard.instance('web').id, to: 'h1' })
  t.true(isRefusal(verdict))
})

test('the plan says of each where to and how, with the room that those before have left', t => {
  const yard = new Yard({ h1: room, h2: 1_024, h3: 1_024 })
  yard.fill('h1', {
    ...{ a: { memoryMib: 400 }, b: { memoryMib: 400 }, c: { memoryMib: 400 } },
    local: { pool: 'local', priority: 1 }
  })
  const { view, context } = yard.cloud
  const wish = { host: yard.cloud.host('h1'), cold: false, tries: undefined }
  const plan = [...departuresOf(view, wish, { ...context, turns: false })]
  t.deepEqual(
    plan.map(each => `${each.instance.name} ${each.state}${'to' in each ? ` ${each.to}` : ''}`),
    ['a goes h2', 'b goes h3', 'c held', 'local stays']
  )
})

test('the plan says what goes without running, and why, and what cannot cross', t => {
  const yard = new Yard(three)
  yard.noPostCopy = 'emulators run as user 64055'
  yard.fill('h1', {
    ...{ web: { priority: 3 }, box: { type: 'container', image: 'tiny-container', priority: 2 } },
    rests: { desiredPower: 'stopped', priority: 1 }
  })
  yard.turns(1)
  const { view, context } = yard.cloud
  const wish = { host: yard.cloud.host('h1'), cold: true, tries: undefined }
  const plan = [...departuresOf(view, wish, { ...context, turns: false })]
  const shown = plan.map(each => departureShown(view, each))
  t.deepEqual(
    shown.map(({ name, live }) => `${name} ${live ? 'live' : 'cold'}`),
    ['web live', 'box cold', 'rests cold']
  )
  const reasons = [
    /memory.*; however much it writes, it is sent whole first: emulators run as user 64055$/,
    /^is shut down for it: a container cannot go while it runs; .*memory/,
    /^it does not run; .*memory/
  ]
  for (const [at, reason] of reasons.entries()) t.regex(shown[at]!.because, reason)
})

test('who is resumed is in use again, and what had left comes back if that is wished', t => {
  for (const back of [false, true]) {
    const yard = new Yard(three)
    yard.fill('h1', many(4))
    yard.drain('h1')
    yard.turns(20)
    t.is(yard.duty('h1'), 'maintenance')
    yard.resume('h1', back)
    yard.decide()
    t.is(yard.duty('h1'), 'in use')
    t.is(yard.moving().length, back ? 2 : 0)
    yard.turns(20)
    t.is(yard.on('h1').length, back ? 4 : 0)
    t.is(yard.cloud.host('h1').decided.returning, undefined)
    if (back) t.regex(yard.because('h1', 'returned'), /^4 of 4 instances that had left are back$/)
  }
})

test('what finds no room where it was stays elsewhere, and that is told', t => {
  const yard = new Yard({ h1: 1_024, h2: room })
  yard.fill('h1', { web: { memoryMib: 400 } })
  yard.drain('h1')
  yard.turns(10)
  const { id, spec } = yard.cloud.host('h1')
  const wish = { ...spec, reservedMib: 900 }
  yard.cloud.done({ verb: 'change', kind: 'host', id, labels: {}, spec: wish })
  yard.resume('h1', true)
  yard.turns(10)
  t.not(yard.cloud.host('h1').decided.returning, undefined, 'there may be room soon')
  yard.pass(120_000)
  yard.turns(10)
  t.deepEqual(yard.on('h2'), ['web'])
  t.is(yard.cloud.host('h1').decided.returning, undefined)
  t.regex(yard.because('h1', 'returned'), /^0 of 1 .* 1 stay elsewhere: web \(.*needs 400 MiB/)
})

test('a host that cannot be used in its first moments has its instances back soon after', t => {
  const yard = new Yard({ h1: room, h2: room })
  yard.fill('h1', { web: { memoryMib: 400 } })
  yard.drain('h1')
  yard.turns(10)
  const { id, spec } = yard.cloud.host('h1')
  const change = (reservedMib: number) =>
    yard.cloud.done({
      verb: 'change',
      kind: 'host',
      id,
      labels: {},
      spec: { ...spec, reservedMib }
    })
  change(room)
  yard.resume('h1', true)
  yard.turns(10)
  t.deepEqual(yard.on('h1'), [])
  change(spec.reservedMib)
  yard.turns(10)
  t.deepEqual(yard.on('h1'), ['web'])
  t.regex(yard.because('h1', 'returned'), /^1 of 1 instances that had left are back$/)
})

test('a drain that is given up leaves those alone that have not left', t => {
  const yard = new Yard(three)
  yard.fill('h1', many(6))
  yard.drain('h1', { parallel: 1 })
  yard.turns(4)
  yard.resume('h1')
  const left = 6 - yard.on('h1').length
  yard.turns(10)
  t.true(left >= 1 && yard.on('h1').length >= 4)
  t.is(yard.duty('h1'), 'in use')
})

const orderContext = { epoch: 1, imageUrl: () => 'http://c/i' }

test('a host in maintenance is told to boot anew, until it has done so', t => {
  const yard = new Yard(three)
  yard.fill('h1', { web: {} })
  const { cloud } = yard
  const reboot = () => cloud.judged({ verb: 'reboot-host', id: cloud.host('h1').id })
  const wanted = () => orderFor(cloud.view, cloud.host('h1'), orderContext).reboot
  const inUse = reboot()
  t.true(isRefusal(inUse) && /not in maintenance/.test(inUse.refused.message))
  yard.drain('h1')
  yard.turns(10)
  cloud.done({ verb: 'reboot-host', id: cloud.host('h1').id })
  t.is(wanted(), 'boot')
  t.deepEqual(yard.turns(3), [], 'it takes its time')
  yard.boots.set('h1', 'boot-2')
  t.deepEqual(yard.turns(2), ['host-booted host/h1', 'host-rebooted host/h1'])
  t.is(wanted(), undefined)
  t.is(yard.duty('h1'), 'maintenance')
  yard.turn()
  cloud.done({ verb: 'reboot-host', id: cloud.host('h1').id })
  yard.resume('h1')
  t.is(wanted(), undefined, 'one that is used again does not boot')
})

test('a host on which something runs is not told to boot anew', t => {
  const yard = new Yard(three)
  yard.fill('h1', { web: { pool: 'local' } })
  yard.drain('h1')
  yard.turns(3)
  const { cloud } = yard
  const running = cloud.judged({ verb: 'reboot-host', id: cloud.host('h1').id })
  t.true(isRefusal(running) && /1 instances run there/.test(running.refused.message))
  cloud.done({ verb: 'power', id: yard.instance('web').id, power: 'stopped' })
  yard.turns(2)
  yard.tell('h1', { foreign: [{ name: 'somebody-elses', driver: 'qemu', memoryMib: 64 }] })
  const foreign = cloud.judged({ verb: 'reboot-host', id: cloud.host('h1').id })
  t.true(isRefusal(foreign) && /somebody-elses/.test(foreign.refused.reasons.join()))
})
