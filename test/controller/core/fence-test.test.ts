import test from 'ava'
import type { FenceVerdict } from '#shared/wire/fence.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { fenceTestMsMax } from '../../../controller/core/fence-test.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { Rack } from '../../world/rack.ts'

const ordersOf = ({ cloud }: Rack) =>
  fenceOrdersOf(cloud.view, { epoch: 1, now: cloud.context.now.monotonic })

const idle = { state: 'maintenance' as const, since: 'noon', by: 'user/ann', parallel: 1 }

/** A rack whose h2 is out of service and empty. */
function rackWithIdle(): Rack {
  const rack = new Rack()
  const host = rack.cloud.host('h2')
  const decided = { ...host.decided, duty: { ...idle, cold: false } }
  rack.cloud.commit({ changes: [{ op: 'put', resource: { ...host, decided } }], decisions: [] })
  return rack
}

const wish = (rack: Rack, name: string, force = false, level?: number) => ({
  verb: 'fence-test' as const,
  id: rack.cloud.host(name).id,
  force,
  ...(level !== undefined && { level })
})

function says(rack: Rack, verdict: FenceVerdict, fence = wantOf(rack)?.fence, level = 1): void {
  const { uuid } = rack.cloud.host('h2').decided
  const at = new Date(rack.cloud.context.now.wall).toISOString()
  const found = { verdict, epoch: 1, at, tookMs: 3_200, because: `${verdict}, by the switch` }
  const state = {
    ...{ host: uuid, name: 'h2', want: 'off' as const, epoch: 1 },
    phase: verdict === 'unknown' ? ('working' as const) : ('proven' as const),
    ...{ since: at, attempt: 1, level, story: [], devices: [] },
    verdict: { ...found, ...(fence !== undefined && { fence }) }
  }
  rack.cloud.view.fold({ type: 'fences', states: [state], at: rack.cloud.context.now })
}

const wantOf = (rack: Rack, name = 'h2') => ordersOf(rack).find(order => order.name === name)
const testedOf = (rack: Rack) => rack.cloud.host('h2').decided.fenceTested

test('a host is switched off, proven off, and on again, and the test has passed', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'h2'))
  const { id } = rack.cloud.host('h2').decided.fenceTest!
  t.like(wantOf(rack), { want: 'off', fence: id })
  t.deepEqual(rack.decide(), [])
  says(rack, 'off-confirmed', 'of-another-test')
  t.deepEqual(rack.decide(), [], 'what was found of another test proves nothing')
  says(rack, 'off-confirmed')
  t.deepEqual(rack.decide(), [], 'it may be heard yet')
  rack.pass(4_500, ['h1', 'h3'])
  t.deepEqual(rack.decide(), ['fence-test-off'])
  t.like(wantOf(rack), { want: 'on', fence: `${id}-on` })
  t.deepEqual(rack.decide(), [], 'that it is off says nothing of its being on')
  says(rack, 'on-confirmed')
  t.deepEqual(rack.decide(), ['fence-test-passed'])
  t.is(wantOf(rack)?.want, 'watch')
  t.true(testedOf(rack)?.passed)
  t.regex(testedOf(rack)!.because, /^proven off: off-confirmed.*; on again: on-confirmed/)
})

test('where it is not proven off, power is given back all the same, and the test has failed', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'h2'))
  says(rack, 'unknown')
  t.deepEqual(rack.decide(), ['fence-test-off'])
  t.is(wantOf(rack)?.want, 'on')
  says(rack, 'on-confirmed')
  t.deepEqual(rack.decide(), ['fence-test-failed'])
  t.regex(testedOf(rack)!.because, /^not proven off after 3\.2 s/)
  const { view } = rack.cloud
  t.is(view.named('event', 'fence-test-failed-host-h2')?.spec.severity, 'alarm')
})

test('a host that is heard on after its devices read off has failed its test', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'h2'))
  says(rack, 'off-confirmed')
  rack.pass(4_500)
  t.deepEqual(rack.decide(), ['fence-test-off'])
  says(rack, 'on-confirmed')
  t.deepEqual(rack.decide(), ['fence-test-failed'])
  t.regex(
    testedOf(rack)!.because,
    /^not proven off: it was heard for 4\.5 s after.*another machine/
  )
})

for (const [proving, passed, because] of [
  [2, true, /^proven off by level 2: off-confirmed.*; on again/],
  [3, false, /^not proven off by level 2, but by another one: off-confirmed.*; on again/]
] as const) {
  const what = passed ? 'has passed when that one' : 'has failed when another one'
  test(`the test of a level ${what} has proven it`, t => {
    const rack = rackWithIdle()
    const host = rack.cloud.host('h2')
    const fence = [host.spec.fence![0]!, host.spec.fence![0]!, host.spec.fence![0]!]
    const resource = { ...host, spec: { ...host.spec, fence } }
    rack.cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
    rack.cloud.done(wish(rack, 'h2', false, 2))
    t.like(wantOf(rack), { want: 'off', from: 2 })
    says(rack, 'off-confirmed', undefined, proving)
    rack.pass(4_500, ['h1', 'h3'])
    t.deepEqual(rack.decide(), ['fence-test-off'])
    t.like(wantOf(rack), { want: 'on', from: undefined })
    says(rack, 'on-confirmed')
    t.deepEqual(rack.decide(), [passed ? 'fence-test-passed' : 'fence-test-failed'])
    t.is(testedOf(rack)?.passed, passed)
    t.regex(testedOf(rack)!.because, because)
  })
}

test('a level that is not there is not tested, and it is told how many are', t => {
  const rack = rackWithIdle()
  const verdict = rack.cloud.judged(wish(rack, 'h2', false, 2))
  if (!isRefusal(verdict)) return t.fail('it is tested')
  const { message } = verdict.refused
  t.is(message, 'cannot test the fence of host h2 at level 2: there is 1 level of devices')
})

test('a host that does not come on again has failed its test', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'h2'))
  says(rack, 'off-confirmed')
  rack.pass(4_500, ['h1', 'h3'])
  rack.decide()
  says(rack, 'unknown')
  t.deepEqual(rack.decide(), ['fence-test-failed'])
  t.regex(testedOf(rack)!.because, /; not on again: unknown/)
  t.is(wantOf(rack)?.want, 'watch')
})

test('a test of which no bootd says anything is given up', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'h2'))
  const { monotonic, wall } = rack.cloud.context.now
  const later = { monotonic: monotonic + fenceTestMsMax, wall: wall + fenceTestMsMax }
  Object.assign(rack.cloud.context, { now: later })
  rack.pass(1_000)
  t.true(rack.decide().includes('fence-test-failed'))
  t.regex(testedOf(rack)!.because, /no bootd has said anything of it for 10 min/)
})

test('nobody takes a host for dead that is switched off for a test, by force as well', t => {
  const rack = new Rack()
  rack.cloud.done(wish(rack, 'h1', true))
  rack.pass(30_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), 'h1')
  t.is(rack.cloud.host('h1').decided.recovery, undefined)
})

test('a word that it is off ends a test, and the fence goes on', t => {
  const rack = new Rack()
  rack.cloud.done(wish(rack, 'h1', true))
  rack.pass(30_000, ['h2', 'h3'])
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  const verbs = rack.decide()
  t.true(verbs.includes('fence-test-failed'), verbs.join())
  t.true(verbs.includes('evacuated'))
  t.is(rack.cloud.host('h1').decided.recovery?.phase, 'fenced')
})

const refusals: readonly (readonly [string, () => readonly [Rack, string], RegExp])[] = [
  ['in service', () => [new Rack(), 'h1'], /it is in service.*instance\/web.*--really --force/],
  ['with no device', () => [new Rack({}, { fence: [] }), 'h1'], /no fence device/],
  [
    'that is tested already',
    () => {
      const rack = rackWithIdle()
      rack.cloud.done(wish(rack, 'h2'))
      return [rack, 'h2']
    },
    /it is being tested since/
  ],
  [
    'that is being fenced',
    () => {
      const rack = new Rack()
      rack.pass(4_000, ['h2', 'h3'])
      rack.decide()
      return [rack, 'h1']
    },
    /it is fencing, for real/
  ]
]

for (const [what, make, because] of refusals) {
  test(`a host ${what} is not tested`, t => {
    const [rack, name] = make()
    const verdict = rack.cloud.judged(wish(rack, name))
    if (!isRefusal(verdict)) return t.fail('it is tested')
    const { message, reasons, next } = verdict.refused
    t.regex([message, ...reasons, ...next].join(' '), because)
  })
}

const ipmi = { type: 'ipmi', address: 'bmc9', port: 623, user: 'u', secret: 'bmc' }
const agentOf = (parameters: object, secrets: object = {}) => ({
  ...{ type: 'agent', agent: 'fence_apc_snmp', parameters, secrets }
})

const devices: readonly (readonly [string, readonly object[], RegExp | undefined])[] = [
  [
    'whose secret is not there',
    [{ ...ipmi, secret: 'other' }],
    /no secret other.*secret set other/
  ],
  [
    'that say a parameter twice',
    [agentOf({ community: 'x' }, { community: 'bmc' })],
    /community is a parameter and a secret/
  ],
  [
    'that are the host itself',
    [{ ...ipmi, address: '10.0.0.1' }],
    /IPMI at 10\.0\.0\.1 is the host itself/
  ],
  [
    'that are those of another host',
    [{ type: 'lab', socket: '/run/keeper.sock', host: 'h2' }],
    /lab switch of h2 is the device of host h2.*would switch h2 off/
  ],
  ['that can work', [ipmi, agentOf({ ip: 'pdu1', plug: '4' }, { password: 'bmc' })], undefined]
]

for (const [what, given, because] of devices) {
  test(`devices ${what} are ${because ? 'refused' : 'taken'}`, t => {
    const rack = new Rack()
    const { cloud } = rack
    const secret = { name: 'bmc', value: 'v', changedAt: 'noon', by: 'user/ann' }
    cloud.commit({ changes: [{ op: 'secret-put', secret }], decisions: [] })
    const { decided, ...host } = cloud.host('h1')
    const moved = { ...host, decided: { ...decided, endpoint: 'tcp://10.0.0.1:7411' } }
    cloud.commit({ changes: [{ op: 'put', resource: moved }], decisions: [] })
    const spec = { ...host.spec, fence: [{ devices: given }] }
    const change = { verb: 'change' as const, kind: 'host' as const, id: host.id }
    const verdict = cloud.judged({ ...change, labels: {}, spec })
    t.is(isRefusal(verdict), because !== undefined)
    if (!isRefusal(verdict)) return
    const { message, reasons, next, code } = verdict.refused
    t.is(code, 'conflict')
    t.regex([message, ...reasons, ...next].join(' '), because ?? /never/)
  })
}
