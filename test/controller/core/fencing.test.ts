import test, { type ExecutionContext } from 'ava'
import { documentOf } from '../../../controller/core/documents.ts'
import { evacuations } from '../../../controller/core/evacuation.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'
import { instanceIntent } from '../../world/sample-cloud.ts'

const ordersOf = ({ cloud }: Rack) =>
  fenceOrdersOf(cloud.view, { epoch: 1, now: cloud.context.now.monotonic })

const lost = (t: ExecutionContext, rack: Rack): void => {
  t.is(rack.host(), 'h1')
  rack.pass(2_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [], 'too early')
  rack.pass(1_000, ['h2', 'h3'])
}

test('a host that peers miss too is fenced, and its instances move once it is proven off', t => {
  const rack = new Rack()
  lost(t, rack)
  t.is(rack.phase('h1'), 'suspect')
  t.deepEqual(rack.decide(), ['fencing'])
  t.is(rack.phase('h1'), 'fencing')
  const [order] = ordersOf(rack)
  t.is(order?.want, 'off')
  t.is(order?.fence, rack.cloud.host('h1').decided.recovery?.id)
  rack.pass(60_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [], 'silence, however long, is no proof')
  rack.said('h1', 'unknown')
  t.deepEqual(rack.decide(), [])
  rack.said('h1', 'off-confirmed', 'another-fence')
  t.deepEqual(rack.decide(), [], 'what was found in another fence is no proof')
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
  t.regex(rack.host() ?? '', /^h[23]$/)
  t.is(ordersOf(rack)[0]?.want, 'on', 'its power may come back')
})

test('who is back with another boot is in use again; with the same one the proof was wrong', t => {
  for (const bootId of ['boot', 'boot-2']) {
    const rack = new Rack()
    lost(t, rack)
    rack.decide()
    rack.said('h1', 'off-confirmed')
    rack.decide()
    rack.pass(4_000, ['h1', 'h2', 'h3'], { bootId })
    const verbs = rack.decide()
    t.is(verbs[0], bootId === 'boot' ? 'fence-lied' : 'host-back')
    t.is(rack.phase('h1'), bootId === 'boot' ? 'maintenance' : 'online')
    t.is(rack.cloud.host('h1').decided.recovery, undefined)
  }
})

test('a heartbeat of a new boot that comes before its report does not make the proof a lie', t => {
  const rack = new Rack()
  lost(t, rack)
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.decide()
  // A report that was on its way when it was fenced.
  rack.pass(500, ['h1', 'h2', 'h3'])
  rack.pass(30_000, ['h2', 'h3'])
  const at = rack.cloud.context.now
  rack.cloud.view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, at })
  t.deepEqual(rack.decide(), [], 'which boot speaks is not known yet')
  rack.pass(1_000, ['h1', 'h2', 'h3'], { bootId: 'boot-2' })
  t.is(rack.decide()[0], 'host-back')
})

test('who speaks again before the proof is not fenced, and nothing has moved', t => {
  const rack = new Rack()
  lost(t, rack)
  rack.decide()
  rack.pass(500)
  t.deepEqual(rack.decide(), ['fence-withdrawn'])
  t.is(rack.host(), 'h1')
  t.is(ordersOf(rack)[0]?.want, 'watch')
})

test('nobody is fenced when too many are missing, when disarmed, or without a device', t => {
  const many = new Rack()
  many.pass(3_000, ['h3'])
  t.deepEqual(many.decide(), [])
  t.regex(many.message('h1'), /2 of 3 hosts are missing at once, more than 1:/)

  const disarmed = new Rack()
  const { cloud } = disarmed.cloud.view
  const healing = { disarmed: { at: 'noon', by: 'user/ann', because: 'new switch' } }
  disarmed.cloud.commit({
    changes: [{ op: 'cloud-put', cloud: { ...cloud!, healing } }],
    decisions: []
  })
  lost(t, disarmed)
  t.deepEqual(disarmed.decide(), [])
  t.regex(disarmed.message('h1'), /disarmed since noon by user\/ann: new switch; remuda ha arm/)

  const bare = new Rack({}, { fence: [] })
  lost(t, bare)
  t.deepEqual(bare.decide(), [])
  t.regex(bare.message('h1'), /no fence device.*remuda host confirm-off h1/)
  bare.pass(3_000, ['h2', 'h3'])
  bare.cloud.done({ verb: 'confirm-off', id: bare.cloud.host('h1').id })
  t.deepEqual(bare.decide(), ['evacuated', 'evacuated', 'placed'])
})

test('of hosts that go missing in one moment the first is not fenced for being the first', t => {
  const rack = new Rack()
  rack.pass(500, ['h2', 'h3'])
  rack.pass(2_000, ['h3'])
  t.deepEqual(rack.decide(), [])
  t.like(suspicionOf(rack.cloud.view, rack.cloud.host('h1'), rack.cloud.context.now.monotonic), {
    verdict: 'held',
    hold: 'brake'
  })
})

test('a new controller goes on with a fence once it has listened for the host itself', t => {
  const rack = new Rack()
  lost(t, rack)
  rack.decide()
  t.is(ordersOf(rack)[0]?.want, 'off')
  const { view, context } = rack.cloud
  const next = new View()
  for (const key of view.keys()) next.load(key, view.valueOf(key))
  next.loaded(view.position)
  const { monotonic: begun, wall } = context.now
  for (let after = 0; after <= 4_000; after += 500) {
    next.fold({ type: 'turn', at: { monotonic: begun + after, wall: wall + after } })
    const want = after < 4_000 ? 'watch' : 'off'
    t.is(fenceOrdersOf(next, { epoch: 2, now: begun + after })[0]?.want, want, `after ${after} ms`)
  }
})

test('a host that peers reach is not fenced, nor one whose machine says its agent ended', t => {
  const rack = new Rack()
  const peers = [{ host: rack.cloud.host('h1').decided.uuid, reached: true, ageMs: 0 }]
  rack.pass(30_000, ['h2', 'h3'], { peers })
  t.deepEqual(rack.decide(), [])
  const sign = 'refuses' as const
  rack.pass(30_000, ['h2', 'h3'], { peers: [{ ...peers[0], reached: false, sign }] })
  t.deepEqual(rack.decide(), [])
  const hung = [{ ...peers[0], reached: false, sign: 'accepts' as const }]
  rack.pass(500, ['h2', 'h3'], { peers: hung })
  t.deepEqual(rack.decide(), ['fencing'], 'a machine that only takes calls is hung after a while')
})

test('a controller that has not listened for a while fences nobody for the silence', t => {
  const rack = new Rack()
  const { monotonic, wall } = rack.cloud.context.now
  const now = { monotonic: monotonic + 10_000, wall: wall + 10_000 }
  Object.assign(rack.cloud.context, { now })
  rack.cloud.view.fold({ type: 'turn', at: now })
  rack.pass(0, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [])
  t.not(rack.phase('h1'), 'suspect')
  rack.pass(3_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fencing'])
})

test('what only the dead host holds waits for it, and says why', t => {
  for (const [spec, why] of [
    [{ pool: 'local' }, /its volume web-root.* is in pool local, which only that host sees/],
    [{ highlyAvailable: false }, /not highly available/]
  ] as const) {
    const rack = new Rack(spec)
    lost(t, rack)
    rack.decide()
    rack.said('h1', 'off-confirmed')
    t.deepEqual(rack.decide(), ['fenced'])
    t.is(rack.host(), 'h1')
    const { view, context } = rack.cloud
    const web = view.named('instance', 'web', 'default')!
    const ready = documentOf(view, web, context.now).conditions.at(-1)
    t.is(ready?.reason, 'host-off')
    t.regex(ready?.message ?? '', why)
  }
})

test('what others record while a host is evacuated is kept, and nobody deleted comes back', t => {
  const rack = new Rack({}, { vcpusPerThread: 64 })
  const { cloud } = rack
  for (let number = 1; number <= 70; number += 1) {
    const spec = { pool: 'far', vcpus: 1, memoryMib: 16 }
    cloud.done(instanceIntent(`many-${number}`, { ...spec, priority: 100, image: 'tiny' }))
  }
  for (const { id, decided, ...rest } of [...cloud.view.all('instance').values()]) {
    const onFirst = { ...rest, id, decided: { ...decided, host: 'h1' } }
    cloud.commit({ changes: [{ op: 'put', resource: onFirst }], decisions: [] })
  }
  const host = cloud.host('h1')
  const recovery = {
    ...{ id: 'fe-1', phase: 'fenced' as const, since: '2026-01-01T00:00:00Z', because: 'silent' },
    proof: { verdict: 'operator' as const, because: 'seen', at: '2026-01-01T00:00:00Z' }
  }
  const off = { ...host, decided: { ...host.decided, recovery } }
  cloud.commit({ changes: [{ op: 'put', resource: off }], decisions: [] })
  const last = [...cloud.view.all('instance').values()].at(-1)!
  let commits = 0
  for (const commit of evacuations(cloud.view, cloud.context)) {
    cloud.commit(commit)
    commits += 1
    if (commits > 1) continue
    const gone = { op: 'remove' as const, kind: 'instance' as const, id: last.id }
    cloud.commit({ changes: [{ ...gone, subject: `instance/${last.name}` }], decisions: [] })
  }
  t.true(commits > 1, 'one commit would not show it')
  t.is(cloud.view.get('instance', last.id), undefined)
  t.is(cloud.view.indexes.of('host-instances', 'h1').size, 0)
})
