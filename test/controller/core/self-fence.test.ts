import test, { type ExecutionContext } from 'ava'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { unheard } from '../../../controller/core/host-heard.ts'
import { Leases } from '../../../controller/core/leases.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { expiryMs } from '../../../controller/core/timing.ts'
import type { View } from '../../../controller/core/view.ts'
import { hostsToBeat } from '../../../controller/io/heartbeats.ts'
import { Rack } from '../../world/rack.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const limitMs = 15_000
const armed = {
  kind: 'hardware' as const,
  identity: 'i6300ESB timer',
  timeoutMs: 10_000,
  armed: true,
  kept: true,
  nowayout: true,
  limitMs,
  because: ''
}
const endsMs = expiryMs({ limitMs, watchdogMs: armed.timeoutMs, kept: true })

/** A rack whose hosts have no fence device, but a self-fence, as h1 says it. */
function rackOf(selfFence: object = armed, generation?: number): Rack {
  const rack = new Rack({}, { fence: [], selfFence: { limitMs } })
  const newest = rack.cloud.view.indexes.hostGeneration('h1')
  rack.pass(500, undefined, { selfFence, generation: generation ?? newest, epoch: 1 })
  rack.decide()
  return rack
}

const unleasedSince = (view: View, host: string) => view.leases.endedAt(host, view.heard(host))

/** h1 beats, and is echoed if it is in use. */
function beat(rack: Rack): readonly string[] {
  const { view, context } = rack.cloud
  const at = context.now
  view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, beat: { run: 'run', number: 7 }, at })
  return [...hostsToBeat(view, at.monotonic)].flatMap(({ host, echo }) => (echo ? [host] : []))
}

/** h1 falls silent; the time since it was last echoed. */
function fallSilent(t: ExecutionContext, rack: Rack): number {
  t.deepEqual(beat(rack), ['uuid-h1'])
  const { monotonic } = rack.cloud.context.now
  rack.pass(3_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fencing'])
  return rack.cloud.context.now.monotonic - monotonic
}

test('without a device a host is proven off once its watchdog must have fired, not before', t => {
  const rack = rackOf()
  t.like(rack.status('h1')['selfFence'], { relied: true, limitMs, expiresMs: endsMs })
  const silentMs = fallSilent(t, rack)
  t.regex(rack.message('h1'), /its watchdog i6300ESB timer \(10 s\) was armed in boot boot with a/)
  rack.pass(endsMs - silentMs - 1, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [])
  rack.pass(1, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
  t.regex(rack.host() ?? '', /^h[23]$/)
  const { proof } = rack.cloud.host('h1').decided.recovery!
  t.is(proof?.verdict, 'expired')
  t.regex(proof?.because ?? '', /limit of 15 s: nothing that others could start runs there 16.3 s/)
})

test('a device that proves it first is not waited for, and one that cannot is', t => {
  const rack = new Rack({}, { selfFence: { limitMs } })
  const generation = rack.cloud.view.indexes.hostGeneration('h1')
  rack.pass(500, undefined, { selfFence: armed, generation })
  rack.decide()
  const silentMs = fallSilent(t, rack)
  const now = rack.cloud.context.now.monotonic
  t.is(fenceOrdersOf(rack.cloud.view, { epoch: 1, now })[0]?.want, 'off')
  rack.said('h1', 'unknown')
  rack.pass(endsMs - silentMs, ['h2', 'h3'])
  t.is(rack.decide()[0], 'fenced')
})

for (const [title, selfFence] of Object.entries({
  'is not armed': { ...armed, armed: false },
  'can be stopped': { ...armed, nowayout: false },
  'is software': { ...armed, kind: 'software' },
  'has no limit in force': { ...armed, limitMs: undefined }
})) {
  test(`a watchdog that ${title} proves nothing`, t => {
    const rack = rackOf(selfFence)
    beat(rack)
    rack.pass(600_000, ['h2', 'h3'])
    t.deepEqual(rack.decide(), [])
    t.regex(rack.message('h1'), /no fence device, so nothing can prove/)
  })
}

test('what was said before the newest order was taken on is not relied on', t => {
  t.is(rackOf(armed, 1).cloud.host('h1').decided.selfFence?.armed, undefined)
  t.truthy(rackOf().cloud.host('h1').decided.selfFence?.armed)
})

test('a host that is taken for dead gets no lease, and one that speaks again gets one', t => {
  const rack = rackOf()
  fallSilent(t, rack)
  const { view, context } = rack.cloud
  const { monotonic, wall } = context.now
  Object.assign(context, { now: { monotonic: monotonic + 500, wall: wall + 500 } })
  t.deepEqual(beat(rack), [])
  t.deepEqual(rack.decide(), ['fence-withdrawn'])
  t.deepEqual(beat(rack), ['uuid-h1'])
  t.is(unleasedSince(view, 'h1'), monotonic + 500)
})

test('a new controller counts from its beginning, one that is alone only what it knows', t => {
  const rack = rackOf()
  const { view, context } = rack.cloud
  t.true(unleasedSince(view, 'h1')! <= context.now.monotonic)
  const begun = unleasedSince(view, 'h2')
  rack.pass(5_000)
  t.is(unleasedSince(view, 'h2'), begun, 'of a host that was never echoed')
  view.fold({ type: 'turn', at: context.now, epoch: 2, alone: true })
  t.is(unleasedSince(view, 'h1'), undefined, 'h1 has not seen epoch 2 and may hear another one')
  rack.pass(500, undefined, { epoch: 2 })
  view.fold({ type: 'turn', at: context.now, epoch: 2, alone: true })
  t.is(unleasedSince(view, 'h1'), context.now.monotonic)
})

test('only a heartbeat that was heard before others knew of our reign gives a lease', t => {
  const { view, context } = rackOf().cloud
  const { monotonic: begun, wall } = context.now
  const echoes = (until: number | undefined) =>
    [...hostsToBeat(view, until)].flatMap(({ echo }) => (echo ? [echo.number] : []))
  for (let number = 1; number <= 40; number += 1) {
    const at = { monotonic: begun + 500 * number, wall: wall + 500 * number }
    const beat = { run: 'run', number }
    view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, beat, at })
  }
  t.deepEqual(echoes(undefined), [], 'nobody knows of it yet')
  t.deepEqual(echoes(begun + 499), [])
  t.deepEqual(echoes(begun + 19_999), [39])
  t.is(unleasedSince(view, 'h1'), begun + 19_500, 'from when the one was heard that is echoed')
  t.deepEqual(echoes(begun + 500), [], 'of so many none is kept for ever')
  const at = { monotonic: begun + 20_500, wall: wall + 20_500 }
  view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, at })
  t.deepEqual(echoes(begun + 30_000), [], 'it asks for no lease any more')
})

test('who leads next counts from when the one before was last seen to lead', t => {
  for (const [leasedUntil, since] of [
    [undefined, 100_000],
    [94_000, 94_000],
    [100_001, 100_000]
  ] as const) {
    const leases = new Leases()
    const wish = { epoch: 2, ...(leasedUntil !== undefined && { leasedUntil }) }
    leases.lead(100_000, wish)
    leases.lead(105_000, wish)
    t.is(leases.endedAt('h1', unheard), since)
    leases.echo('h1', 103_000)
    t.is(leases.endedAt('h1', unheard), 103_000)
  }
})

test('no order says a longer limit than is recorded, no record a shorter one than is held', t => {
  const rack = rackOf()
  const { cloud } = rack
  const context = { epoch: 1, imageUrl: () => '' }
  const ordered = () => orderFor(cloud.view, cloud.host('h1'), context).selfFence?.limitMs
  const recorded = () => cloud.host('h1').decided.selfFence?.limitMs
  const wish = (selfFence: object | undefined) => {
    const { selfFence: _, ...rest } = cloud.host('h1').spec
    const spec = { ...rest, ...(selfFence && { selfFence }) }
    cloud.done({ verb: 'change', kind: 'host', id: cloud.host('h1').id, labels: {}, spec })
  }
  const newest = () => ({ generation: cloud.view.indexes.hostGeneration('h1') })
  wish({ limitMs: 60_000 })
  t.is(ordered(), limitMs, 'not recorded yet')
  rack.decide()
  t.deepEqual([recorded(), ordered()], [60_000, 60_000])
  wish({ limitMs: 20_000 })
  rack.pass(500, undefined, { ...newest(), selfFence: { ...armed, limitMs: 60_000 } })
  rack.decide()
  t.deepEqual([recorded(), ordered()], [60_000, 20_000])
  rack.pass(500, undefined, { ...newest(), selfFence: { ...armed, limitMs: 20_000 } })
  rack.decide()
  t.is(recorded(), 20_000)
  wish(undefined)
  t.is(ordered(), 20_000, 'it is relied on as long as it is recorded')
  t.deepEqual(rack.decide(), ['self-fence'])
  t.deepEqual([recorded(), ordered()], [undefined, undefined])
})

for (const [sessionMs, limitMs, least] of [
  [undefined, 15_000, undefined],
  [4_000, 15_000, undefined],
  [6_000, 16_600, '17s'],
  [6_000, 17_000, undefined],
  [20_000, 15_000, '34s'],
  [20_000, 33_000, '34s'],
  [20_000, 34_000, undefined]
] as const) {
  const which = `${limitMs} ms where sessions are ${sessionMs ?? 'none'}`
  test(`a limit of ${which} is ${least ? 'refused with the least' : 'taken'}`, t => {
    const cloud = sampleCloud()
    cloud.view.sessionMs = sessionMs
    const { id, labels, spec } = cloud.host('h1')
    const wish = { verb: 'change', kind: 'host', id, labels } as const
    const verdict = cloud.judged({ ...wish, spec: { ...spec, selfFence: { limitMs } } })
    if (least === undefined) return void t.false(isRefusal(verdict))
    if (!isRefusal(verdict)) return void t.fail()
    const { code, message, next, errors } = verdict.refused
    t.is(code, 'invalid')
    t.regex(message, /cannot let host h1 fence itself so soon: with a limit of .* with sessions/)
    t.is(errors?.[0]?.pointer, '/spec/selfFence/limitMs')
    t.deepEqual(next, [`remuda host fence self h1 --limit ${least}`])
  })
}

test('a host keeps a limit that is too short now, and may be changed otherwise', t => {
  const rack = rackOf()
  const { view, judged, host } = rack.cloud
  view.sessionMs = 20_000
  const { id, spec } = host('h1')
  const wish = { verb: 'change', kind: 'host', id, labels: { rack: 'a' } } as const
  t.false(isRefusal(judged({ ...wish, spec: { ...spec, reservedMib: 1_024 } })))
  t.regex(
    JSON.stringify(rack.status('h1')['selfFence']),
    /limit of 15 s a host ends .* sooner than a change of the/
  )
  t.like(rack.status('h1')['selfFence'], { relied: true })
})
