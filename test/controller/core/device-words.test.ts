/** A fence device that reads off of a host that is heard proves nothing, and people are told. */
import test from 'ava'
import type { FenceState } from '#shared/wire/fence.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { fenceReadiness } from '../../../controller/core/fence-readiness.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { Rack } from '../../world/rack.ts'

type Power = FenceState['devices'][number]['power']

const readiness = ({ cloud }: Rack) => fenceReadiness(cloud.view, cloud.host('h1'))
const device = (power: Power, level = 1) => ({ level, name: `d${level}`, power, reachable: true })
const unasked = { level: 1, name: 'd1', power: 'unknown' as const }
/** Another level for h1. */
function addLevel({ cloud }: Rack): void {
  const { id, spec } = cloud.host('h1')
  const socket = '/run/other.sock'
  const fence = [...(spec.fence ?? []), { devices: [{ type: 'lab', socket, host: 'h1' }] }]
  cloud.done({ verb: 'change', kind: 'host', id, labels: {}, spec: { ...spec, fence } })
}

/** All hosts are heard in a boot each, also in heartbeats. */
function rackOf(): Rack {
  const rack = new Rack()
  rack.pass(1_000)
  return rack
}

/** The device of h1 read off while it spoke; now it is lost, and its device reads off again. */
function rackOfLiar(): Rack {
  const rack = rackOf()
  rack.saidDevices('h1', [unasked])
  rack.saidDevices('h1', [device('off')])
  rack.pass(11_000)
  rack.pass(6_000, ['h2', 'h3'])
  rack.decide()
  rack.said('h1', 'off-confirmed')
  return rack
}

function watched({ cloud }: Rack, seen: ReadonlyMap<string, HostSeen>) {
  const news = watchHosts(cloud.view, seen, cloud.context)
  for (const commit of news.commits) cloud.commit(commit)
  const told = news.commits.flatMap(({ decisions }) => decisions)
  return { seen: news.seen, told: told.filter(({ verb }) => /^(fence-device|outlet)/.test(verb)) }
}

test('one that reads off of a host that goes on speaking is wrong, and an alarm once', t => {
  const rack = rackOf()
  let { seen } = watched(rack, new Map())
  rack.saidDevices('h1', [unasked])
  rack.saidDevices('h1', [device('off')])
  rack.pass(9_000)
  t.is(readiness(rack).state, 'ready', 'it may have lost its power just now')
  t.deepEqual(watched(rack, seen).told, [])
  ;({ seen } = watched(rack, seen))
  rack.pass(1_500)
  t.is(readiness(rack).state, 'device-wrong')
  t.regex(readiness(rack).because, /d1 reads off, while the host was heard for 10.*another mach/)
  const news = watched(rack, seen)
  t.is(news.told[0]?.verb, 'fence-device-wrong')
  t.regex(news.told[0]?.because ?? '', /no proof.*would count.*remuda host fence set h1/)
  t.deepEqual(watched(rack, news.seen).told, [], 'it is told once')
  rack.saidDevices('h1', [device('on')])
  t.is(readiness(rack).state, 'ready')
  t.is(watched(rack, news.seen).told[0]?.verb, 'fence-device-right')
})

test('its word is no proof when the host is lost: nothing starts elsewhere', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [unasked])
  rack.saidDevices('h1', [device('off')])
  rack.pass(11_000)
  rack.pass(6_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fencing'])
  rack.saidDevices('h1', [{ ...device('unknown'), reachable: false }])
  t.is(readiness(rack).state, 'device-wrong', 'no answer takes back what it has read')
  rack.saidDevices('h1', [device('off')])
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.is(rack.host(), 'h1')
  t.is(rack.phase('h1'), 'fencing')
  t.regex(rack.message('h1'), /before that, d1 reads off, while the host was heard.*confirm-off h1/)
  rack.pass(60_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [], 'no silence makes it one')
})

test('the next controller knows it, until it reads on, or is no longer its device', t => {
  const next = (): Rack => {
    const rack = rackOf()
    watched(rack, new Map())
    rack.saidDevices('h1', [unasked])
    rack.saidDevices('h1', [device('off')])
    rack.pass(11_000)
    watched(rack, new Map())
    t.like(rack.cloud.host('h1').decided.wrongDevices, [{ level: 1, name: 'd1', power: 'off' }])
    // Whoever leads next has heard of no device.
    rack.cloud.view.devices.gone('h1')
    return rack
  }
  const lost = next()
  lost.saidDevices('h1', [device('off')])
  lost.pass(60_000, ['h2', 'h3'])
  t.is(readiness(lost).state, 'device-wrong')
  t.deepEqual(lost.decide(), ['fencing'])
  lost.saidDevices('h1', [device('unknown')])
  lost.saidDevices('h1', [device('off')])
  lost.said('h1', 'off-confirmed')
  t.deepEqual(lost.decide(), ['fence-contradicted'])
  t.is(lost.host(), 'h1')

  const mended = next()
  mended.pass(1_000)
  const { told } = watched(mended, new Map())
  t.deepEqual(told, [], 'it was told by the one before')
  mended.saidDevices('h1', [device('on')])
  t.is(watched(mended, new Map()).told[0]?.verb, 'fence-device-right')
  t.is(mended.cloud.host('h1').decided.wrongDevices, undefined)

  const other = next()
  other.saidDevices('h1', [{ ...device('on'), name: 'd2' }])
  t.is(readiness(other).state, 'ready')
})

test('it is wrong at whichever level it is; no other one is put before it while it matters', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [unasked])
  rack.saidDevices('h1', [device('off')])
  rack.pass(11_000)
  watched(rack, new Map())
  const before = { level: 1, name: 'd0', power: 'on' as const, reachable: true }
  rack.saidDevices('h1', [before, { ...device('off'), level: 2 }])
  t.is(readiness(rack).state, 'degraded')
  t.regex(readiness(rack).because, /d1 reads off.*level 1 is left/)
  watched(rack, new Map())
  t.like(rack.cloud.host('h1').decided.wrongDevices, [{ level: 2, name: 'd1' }])

  const lost = rackOfLiar()
  t.deepEqual(lost.decide(), ['fence-contradicted'])
  const { id, labels, spec } = lost.cloud.host('h1')
  const other = { devices: [{ type: 'lab' as const, socket: '/run/other.sock', host: 'h1' }] }
  const change = (fence: typeof spec.fence) =>
    lost.cloud.judged({ verb: 'change', kind: 'host', id, labels, spec: { ...spec, fence } })
  const verdict = change([other, ...spec.fence!])
  if (!isRefusal(verdict)) return t.fail('it is taken')
  t.regex(verdict.refused.message, /cannot change levels 1 to 1 of the fence of host h1 now/)
  t.false(isRefusal(change([...spec.fence!, other])), 'one behind it is asked next')
})

test('that it writes on as well makes no word of it which quiet brings back', t => {
  const rack = rackOfLiar()
  const { uuid: host, bootId } = rack.cloud.host('h1').decided
  const seen = { host, bootId, number: 7, ageMs: 100, stillMs: 0, writtenMs: 600 }
  rack.pass(4_000, ['h2', 'h3'], { storage: [{ pool: 'far', seen: [seen] }] })
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.true(rack.cloud.host('h1').decided.recovery?.contradicted?.spoke)
})

test('the level after it is asked instead, and believed', t => {
  const rack = rackOf()
  addLevel(rack)
  rack.saidDevices('h1', [unasked, device('on', 2)])
  rack.saidDevices('h1', [device('off'), device('on', 2)])
  rack.pass(11_000)
  t.is(readiness(rack).state, 'degraded')
  rack.pass(6_000, ['h2', 'h3'])
  rack.decide()
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const { view, context } = rack.cloud
  const [order] = fenceOrdersOf(view, { epoch: 1, now: context.now.monotonic })
  t.like(order, { name: 'h1', want: 'off', from: 2 })
  rack.said('h1', 'off-confirmed', order?.fence, 2)
  t.true(rack.decide().includes('fenced'))
  t.not(rack.host(), 'h1')
})

test('a device that reads off once the host is lost is believed', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [device('on')])
  rack.pass(3_000, ['h2', 'h3'])
  rack.decide()
  rack.saidDevices('h1', [device('off')])
  rack.said('h1', 'off-confirmed')
  t.true(rack.decide().includes('fenced'))
})

test('what may have been read before the host booted counts only when it lasts', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [device('off')])
  rack.pass(590_000)
  t.is(readiness(rack).state, 'ready', 'it was read by a round that may be of before')
  rack.pass(11_000)
  t.is(readiness(rack).state, 'device-wrong')
  const booted = rackOf()
  booted.saidDevices('h1', [unasked])
  booted.saidDevices('h1', [device('off')])
  booted.pass(1_000, undefined, { bootId: 'another' })
  booted.pass(500_000, undefined, { bootId: 'another' })
  t.is(readiness(booted).state, 'ready')
})

test('one that answers and never says how the power is proves nothing', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [device('unknown')])
  rack.pass(60_000)
  t.is(readiness(rack).state, 'ready')
  rack.pass(545_000)
  t.is(readiness(rack).state, 'device-wrong')
  t.regex(readiness(rack).because, /answers, but has read neither on nor off for 10/)
})

test('an outlet that is dark beside one that is on is told, and what gives it back', t => {
  const rack = rackOf()
  rack.saidDevices('h1', [device('on')])
  const { seen } = watched(rack, new Map())
  rack.saidDevices('h1', [{ ...device('on'), because: 'o1 reads off' }])
  t.like(readiness(rack), { state: 'degraded', next: 'remuda power on h1' })
  const news = watched(rack, seen)
  t.like(news.told[0], { verb: 'outlet-dark' })
  t.regex(
    news.told[0]?.because ?? '',
    /missed when the other fails: o1 reads off; remuda power on h1$/
  )
  rack.saidDevices('h1', [device('on')])
  t.is(watched(rack, news.seen).told[0]?.verb, 'outlets-on')
})
