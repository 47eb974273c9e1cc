import test from 'ava'
import { arm, disarm, setHealing } from '../../../controller/core/admission/healing.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { fenceReadiness } from '../../../controller/core/fence-readiness.ts'
import { healingStatus } from '../../../controller/core/healing.ts'
import { sentencesOfLoss } from '../../../controller/core/loss.ts'
import { isRefusal, type Refusal } from '../../../controller/core/refusal.ts'
import { Rack } from '../../world/rack.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const recorded = (rack: Rack, judged: Commit | Refusal): Commit => {
  if (isRefusal(judged)) throw new Error(judged.refused.message)
  if (judged.changes.length > 0) rack.cloud.commit(judged)
  return judged
}
const statusOf = ({ cloud }: Rack) => healingStatus(cloud.view, cloud.context.now)

test('disarmed, no host is fenced; since when, by whom and why is kept until it is armed', t => {
  const rack = new Rack()
  const { view, context } = rack.cloud
  recorded(rack, disarm(view, { because: ' new switch ' }, context))
  const { at } = view.cloud!.healing!.disarmed!
  t.deepEqual(statusOf(rack).disarmed, { at, by: 'user/admin', because: 'new switch' })
  rack.pass(10_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [])
  t.like(statusOf(rack), { armed: false, fenced: [] })
  t.like(statusOf(rack).suspects[0], { host: 'h1', hold: 'disarmed', next: 'remuda ha arm' })
  const again = { ...context, by: 'user/ann' }
  recorded(rack, disarm(view, { because: 'it takes longer' }, again))
  t.deepEqual(statusOf(rack).disarmed, { at, by: 'user/ann', because: 'it takes longer' })
  recorded(rack, arm(view, context))
  t.true(statusOf(rack).armed)
  t.deepEqual(rack.decide(), ['fencing'])
})

test('each change is a decision and a notification, and the same once more is nothing', t => {
  const rack = new Rack()
  const { view, context } = rack.cloud
  const done = recorded(rack, disarm(view, { because: 'x' }, context))
  t.is(done.decisions[0]?.verb, 'disarmed')
  t.is(view.named('event', 'disarmed-cluster-healing')?.spec.severity, 'warning')
  t.deepEqual(recorded(rack, disarm(view, { because: 'x' }, context)).changes, [])
  t.is(recorded(rack, arm(view, context)).decisions[0]?.verb, 'armed')
  t.deepEqual(recorded(rack, arm(view, context)).changes, [])
  const nameless = disarm(view, { because: '  ' }, context)
  t.true(isRefusal(nameless) && nameless.refused.code === 'invalid')
})

test('a reserve is set in parts, and 0 or null take them away', t => {
  const rack = new Rack()
  const { view, context } = rack.cloud
  recorded(rack, setHealing(view, { reserveHosts: 2 }, context))
  recorded(rack, disarm(view, { because: 'x' }, context))
  recorded(rack, setHealing(view, { reserveDomain: 'rack' }, context))
  t.like(statusOf(rack), { armed: false, reserveHosts: 2, reserveDomain: 'rack' })
  t.deepEqual(recorded(rack, setHealing(view, { reserveHosts: 2 }, context)).changes, [])
  recorded(rack, setHealing(view, { reserveHosts: 0, reserveDomain: null }, context))
  t.deepEqual(Object.keys(view.cloud!.healing!), ['disarmed'])
  recorded(rack, arm(view, context))
  t.is(view.cloud!.healing, undefined)
})

test('the brake is told with its numbers, and what an operator may say', t => {
  const rack = new Rack()
  rack.pass(30_000, ['h3'])
  t.deepEqual(rack.decide(), [])
  const { brake, suspects } = statusOf(rack)
  t.deepEqual(brake, { missing: ['h1', 'h2'], hosts: 3, most: 1 })
  t.deepEqual(
    suspects.map(({ host, hold, next }) => [host, hold, next]),
    ['h1', 'h2'].map(name => [
      name,
      'brake',
      `if it is off: remuda host confirm-off ${name}; ` +
        'if all of them are dead: remuda ha set --brake-share PERCENT'
    ])
  )
})

test('who is fenced is told with how far it is, and then with what has proven it', t => {
  const rack = new Rack()
  rack.pass(4_000, ['h2', 'h3'])
  rack.decide()
  const [before] = statusOf(rack).fenced
  t.like(before, { host: 'h1', phase: 'fencing', progress: 'waits for bootd to take the fence' })
  rack.said('h1', 'off-confirmed')
  rack.decide()
  const [after] = statusOf(rack).fenced
  t.like(after, { phase: 'fenced', proof: { verdict: 'off-confirmed' } })
  t.regex(after!.progress, /read off twice/)
  t.deepEqual(
    statusOf(rack).exposed.map(({ host }) => host),
    ['h2', 'h3']
  )
})

type Reading = { readonly level: number; readonly reachable?: boolean }
const readings: readonly (readonly [string, readonly Reading[], string, RegExp])[] = [
  ['all answer', [{ level: 1, reachable: true }], 'ready', /d0 reads on/],
  ['none was asked yet', [{ level: 1 }], 'not-asked', /not answered yet/],
  ['the only one is silent', [{ level: 1, reachable: false }], 'device-silent', /^d0: no answer$/],
  [
    'one is silent and another level is left',
    [
      { level: 1, reachable: false },
      { level: 2, reachable: true }
    ],
    'degraded',
    /level 2 is left/
  ],
  [
    'one of two that must both confirm is silent',
    [
      { level: 1, reachable: true },
      { level: 1, reachable: false }
    ],
    'device-silent',
    /^d1: no answer$/
  ]
]

for (const [what, devices, state, says] of readings) {
  test(`where ${what}, the host is ${state}`, t => {
    const rack = new Rack()
    const { view, context } = rack.cloud
    rack.saidDevices(
      'h1',
      devices.map((device, index) => ({ name: `d${index}`, power: 'on', ...device }))
    )
    const readiness = fenceReadiness(view, rack.cloud.host('h1'))
    t.is(readiness.state, state as typeof readiness.state)
    t.regex(readiness.because, says)
    const exposed = healingStatus(view, context.now).exposed.map(({ host }) => host)
    t.is(exposed.includes('h1'), state !== 'ready')
  })
}

test('the only host needs no fence device, and is not told of as exposed', t => {
  const { view, context, host } = sampleCloud()
  t.is(fenceReadiness(view, host('h1')).state, 'alone')
  t.deepEqual(healingStatus(view, context.now).exposed, [])
})

test('without devices, or without their secret, a host is exposed', t => {
  const bare = new Rack({}, { fence: [] })
  t.is(fenceReadiness(bare.cloud.view, bare.cloud.host('h1')).state, 'no-device')
  const device = { type: 'ipmi' as const, address: 'bmc1', port: 623, user: 'u', secret: 'bmc' }
  const devices = [{ ...device, privilege: 'operator' as const }]
  const { view, host, commit } = new Rack().cloud
  const before = host('h1')
  const after = { ...before, spec: { ...before.spec, fence: [{ devices }] } }
  commit({ changes: [{ op: 'put', resource: after }], decisions: [] })
  t.like(fenceReadiness(view, host('h1')), {
    state: 'no-secret',
    because: 'its devices need a secret that is not there: bmc'
  })
})

test('the loss of a host is foretold: what starts elsewhere, and what waits and why', t => {
  const rack = new Rack()
  const { view, host } = rack.cloud
  t.deepEqual(sentencesOfLoss(view, host('h1')), ['1 start elsewhere: instance/web'])
  t.deepEqual(sentencesOfLoss(view, host('h2')), ['no instance is on h2'])
  const local = new Rack({ pool: 'local' })
  const [nothing, waits] = sentencesOfLoss(local.cloud.view, local.cloud.host('h1'))
  t.is(nothing, 'nothing starts elsewhere')
  t.regex(waits ?? '', /^instance\/web waits for its return: its volume .* in pool local/)
})

const watchdog = {
  ...{ kind: 'hardware' as const, identity: 'i6300ESB timer', timeoutMs: 10_000, limitMs: 15_000 },
  ...{ armed: true, kept: true, nowayout: true, because: '' }
}

test('a host whose own watchdog ends it is not exposed, and stands in for a silent device', t => {
  for (const [fence, state] of [
    [[], 'self-fence'],
    [undefined, 'degraded']
  ] as const) {
    const rack = new Rack({}, { ...(fence && { fence }), selfFence: { limitMs: 15_000 } })
    const { view, host } = rack.cloud
    const generation = view.indexes.hostGeneration('h1')
    rack.pass(500, undefined, { selfFence: watchdog, generation, epoch: 1 })
    rack.decide()
    const device = { level: 1, name: 'd0', power: 'unknown' as const, reachable: false }
    if (!fence) rack.saidDevices('h1', [device])
    const readiness = fenceReadiness(view, host('h1'))
    t.is(readiness.state, state)
    t.regex(readiness.because, /its own watchdog ends it 15 s after its last lease$/)
    const exposed = statusOf(rack).exposed.some(one => one.host === 'h1')
    t.is(exposed, state === 'degraded')
  }
})
