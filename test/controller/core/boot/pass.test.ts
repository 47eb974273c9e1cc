import test from 'ava'
import type { HostSpec } from '#shared/model/host.ts'
import {
  bootSecretOf,
  expectedSecretOf,
  secretHashOf,
  strangerSecretOf
} from '#shared/wire/boot-secret.ts'
import { bootPlanOf } from '../../../../controller/core/boot/plan.ts'
import { expectMachine, setBoot } from '../../../../controller/core/boot/wishes.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { bootOf, key, promotedCloud, second } from './boot-world.ts'

const knock = (host: string, secret: string | undefined, fields: object = {}) => ({
  verb: 'join' as const,
  wish: {
    uuid: `uuid-${host}`,
    hostname: host,
    publicKey: `new-${host}`.padEnd(40, 'n'),
    endpoint: 'tcp://10.0.0.9:7411',
    trusted: false,
    ...(secret !== undefined && { tokenSha256: secretHashOf(secret) }),
    ...fields
  }
})

/** A minute later: a host that said nothing since is heard no more. */
function later({ view, context }: ReturnType<typeof promotedCloud>): void {
  const now = { monotonic: context.now.monotonic + 60_000, wall: context.now.wall + 60_000 }
  Object.assign(context, { now })
  view.fold({ type: 'turn', at: now })
}

test('a host that has lost its key comes in with the secret of its boot, once', t => {
  const cloud = promotedCloud()
  later(cloud)
  const { secret } = bootPlanOf(cloud.view, 1)!.machines[0]!
  cloud.done(knock('h1', secret))
  t.like(cloud.host('h1').decided, { approval: 'approved', publicKey: 'new-h1'.padEnd(40, 'n') })
  t.not(bootPlanOf(cloud.view, 1)!.machines[0]!.secret, secret)
  later(cloud)
  const again = cloud.judged(knock('h1', secret, { publicKey: 'thief'.padEnd(40, 't') }))
  t.true('refused' in again && again.refused.code === 'conflict')
})

test('the secret of one host is worth nothing for another, nor while the host is heard', t => {
  const cloud = promotedCloud()
  const { secret } = bootPlanOf(cloud.view, 1)!.machines[0]!
  const early = cloud.judged(knock('h1', secret))
  t.true('refused' in early && /is heard/.test(early.refused.message))
  cloud.done(knock('h2', secret))
  t.is(cloud.host('h2').decided.approval, 'pending')
})

test('a host that is to wait is given no secret', t => {
  const cloud = promotedCloud()
  cloud.done(knock('h2', undefined))
  const machine = bootPlanOf(cloud.view, 1)!.machines.find(({ name }) => name === 'h2')
  t.is(machine?.secret, undefined)
  const guessed = bootSecretOf(key, 'uuid-h2', 'new-h2'.padEnd(40, 'n'))
  later(cloud)
  cloud.done(
    knock('h2', guessed, { publicKey: 'new-h2'.padEnd(40, 'n'), endpoint: 'tcp://10.0.0.8:1' })
  )
  t.is(cloud.host('h2').decided.approval, 'pending')
})

test('one that waits and boots anew has another key, and goes on waiting', t => {
  const cloud = promotedCloud()
  cloud.done(knock('h2', undefined))
  cloud.done(knock('h2', undefined, { publicKey: 'other'.padEnd(40, 'o') }))
  t.like(cloud.host('h2').decided, { approval: 'pending', publicKey: 'other'.padEnd(40, 'o') })
  cloud.done({ verb: 'approve', id: cloud.host('h2').id })
  const impostor = cloud.judged(knock('h2', undefined, { publicKey: 'third'.padEnd(40, 't') }))
  t.true('refused' in impostor && impostor.refused.code === 'conflict')
})

test('an expected machine becomes the host that was named, and is expected no longer', t => {
  const cloud = promotedCloud()
  const machine = { name: 'db1', macs: ['52:54:00:00:00:07'], version: '2'.repeat(16) }
  cloud.wish(context => expectMachine(cloud.view, { wish: machine, key }, context))
  cloud.done(knock('whatever', expectedSecretOf(key, 'db1')))
  t.like(cloud.host('db1'), { decided: { approval: 'approved' }, spec: { image: machine.version } })
  t.is(cloud.view.cloud?.boot?.expected, undefined)
})

test('a policy lets in so many unknown machines, from its ranges alone, and ends', t => {
  const cloud = promotedCloud()
  const policy = { uses: 1, expiresMs: 3_600_000, subnets: ['10.0.0.0/24'] }
  cloud.wish(context => setBoot(cloud.view, { wish: { policy }, key }, context))
  const { token } = cloud.view.cloud!.boot!.policy!
  const { secret } = bootPlanOf(cloud.view, 1)!.unknown
  t.is(secret, strangerSecretOf(key, token))
  cloud.done(knock('h5', secret, { endpoint: 'tcp://10.9.0.9:7411' }))
  t.is(cloud.host('h5').decided.approval, 'pending')
  cloud.done(knock('h6', secret))
  t.is(cloud.host('h6').decided.approval, 'approved')
  cloud.done(knock('h7', secret))
  t.is(cloud.host('h7').decided.approval, 'pending')
  cloud.wish(context => setBoot(cloud.view, { wish: { policy: null }, key }, context))
  t.is(cloud.view.joinTokens().get(token), undefined)
  t.is(bootPlanOf(cloud.view, 1)!.unknown.secret, undefined)
})

test('a host that was removed waits, also with a secret of its boot', t => {
  const cloud = promotedCloud()
  const { secret } = bootPlanOf(cloud.view, 1)!.machines[0]!
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h1').id, force: true })
  later(cloud)
  cloud.done(knock('h1', secret))
  t.is(cloud.host('h1').decided.approval, 'pending')
})

type Cloud = ReturnType<typeof promotedCloud>

/** What is given to whoever says it has this UUID: the first of the plan counts. */
const given = ({ view }: Cloud, host: string) =>
  bootPlanOf(view, 1)!.machines.find(({ uuid }) => uuid === `uuid-${host}`)

test('one that waits already comes in by a policy that is set then, counted and from there', t => {
  const cloud = promotedCloud()
  for (const host of ['h2', 'h3', 'h4']) cloud.done(knock(host, undefined))
  t.is(given(cloud, 'h2')?.secret, undefined)
  const policy = { uses: 1, expiresMs: 3_600_000, subnets: ['10.0.0.0/24'] }
  cloud.wish(context => setBoot(cloud.view, { wish: { policy }, key }, context))
  const { token } = cloud.view.cloud!.boot!.policy!
  const { secret } = given(cloud, 'h2')!
  t.is(secret, strangerSecretOf(key, token))
  cloud.done(knock('h2', secret, { endpoint: 'tcp://10.9.0.9:7411' }))
  t.is(cloud.host('h2').decided.approval, 'pending', 'it is in none of the ranges')
  cloud.done(knock('h3', secret))
  t.is(cloud.host('h3').decided.approval, 'approved')
  cloud.done(knock('h4', secret))
  t.is(cloud.host('h4').decided.approval, 'pending', 'the policy is used up')
  t.is(given(cloud, 'h3')?.secret, bootSecretOf(key, 'uuid-h3', 'new-h3'.padEnd(40, 'n')))
  cloud.wish(context => setBoot(cloud.view, { wish: { policy: null }, key }, context))
  t.is(given(cloud, 'h4')?.secret, undefined)
})

test('where unknown machines get nothing, a policy is for none that waits', t => {
  const cloud = promotedCloud()
  cloud.done(knock('h2', undefined))
  const policy = { uses: 1, expiresMs: 3_600_000 }
  cloud.wish(context => setBoot(cloud.view, { wish: { policy, unknown: 'nothing' }, key }, context))
  t.is(given(cloud, 'h2')?.secret, undefined)
})

test('one that waits already comes in as the machine that is expected then, with its pin', t => {
  const macs = ['52:54:00:00:00:07']
  for (const known of [{ uuid: 'uuid-h2', macs: [] }, { macs }, { serial: 'CZ1', macs: [] }]) {
    const cloud = promotedCloud()
    cloud.done(knock('h2', undefined))
    const waiting = cloud.host('h2')
    const spec: HostSpec = { ...waiting.spec, reservedMib: 1_024 }
    cloud.done({ verb: 'change', kind: 'host', id: waiting.id, labels: { rack: 'r7' }, spec })
    cloud.hear({ boots: [bootOf('agent', { uuid: 'uuid-h2', serial: 'CZ1', macs })] })
    const wish = { name: 'db1', version: second, ...known }
    const said = cloud.wish(context => expectMachine(cloud.view, { wish, key }, context))
    t.regex(said.decisions[0]!.because, /host h2, which waits, comes in by itself under that name/)
    const { machines } = bootPlanOf(cloud.view, 1)!
    t.deepEqual(
      machines.map(({ name }) => name),
      ['h1', 'db1'],
      'it is one machine of the plan'
    )
    const machine = given(cloud, 'h2')!
    t.like(machine, { name: 'db1', uuid: 'uuid-h2', version: second })
    t.is(machine.secret, expectedSecretOf(key, 'db1'))
    cloud.done(knock('h2', machine.secret))
    const after = cloud.host('db1')
    t.like(after.decided, { approval: 'approved', uuid: 'uuid-h2' })
    t.like(after, { labels: { rack: 'r7' }, spec: { image: second, reservedMib: 1_024 } })
    t.is(cloud.view.named('host', 'h2'), undefined)
    t.is(cloud.view.all('host').size, 2)
    t.is(cloud.view.cloud?.boot?.expected, undefined)
    t.is(given(cloud, 'h2')?.secret, bootSecretOf(key, 'uuid-h2', 'new-h2'.padEnd(40, 'n')))
  }
})

test('one that waits under the very name that is expected stays that host', t => {
  const cloud = promotedCloud()
  cloud.done(knock('h2', undefined))
  const { id } = cloud.host('h2')
  const wish = { name: 'h2', uuid: 'uuid-h2', macs: [] }
  cloud.wish(context => expectMachine(cloud.view, { wish, key }, context))
  cloud.done(knock('h2', given(cloud, 'h2')?.secret))
  t.like(cloud.host('h2'), { id, decided: { approval: 'approved' } })
})

test('no host that is in, that was removed, or whose name is taken is expected', t => {
  const cloud = promotedCloud()
  cloud.done(knock('h2', undefined))
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h2').id, force: true })
  cloud.done(knock('h2', undefined))
  cloud.done(knock('h3', undefined))
  const rows = [
    [{ name: 'h7', uuid: 'uuid-h1' }, /it is host h1 already/, ['remuda host show h1']],
    [{ name: 'h7', uuid: 'uuid-h2' }, /host h2 was removed once/, ['remuda host approve h2']],
    [
      { name: 'h3', uuid: 'uuid-h4' },
      /there is a host of that name/,
      ['remuda host show h3', 'remuda host approve h3']
    ]
  ] as const
  for (const [wish, message, next] of rows) {
    const verdict = expectMachine(cloud.view, { wish: { ...wish, macs: [] }, key }, cloud.context)
    if (!isRefusal(verdict)) return t.fail(`${wish.name} is expected`)
    t.is(verdict.refused.code, 'conflict')
    t.regex(verdict.refused.message, message)
    t.deepEqual(verdict.refused.next, next)
  }
})

test('a host that was removed, or is in, gets no secret of a policy or of what is expected', t => {
  const cloud = promotedCloud()
  const macs = ['52:54:00:00:00:01']
  cloud.done(knock('h2', undefined))
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h2').id, force: true })
  cloud.done(knock('h2', undefined))
  // Its card is now in host h1, which is in.
  cloud.wish(context => expectMachine(cloud.view, { wish: { name: 'h7', macs }, key }, context))
  cloud.hear({ boots: [bootOf('agent', { uuid: 'uuid-h2', macs }), bootOf('joined', { macs })] })
  const policy = { uses: 9, expiresMs: 3_600_000 }
  cloud.wish(context => setBoot(cloud.view, { wish: { policy }, key }, context))
  t.is(given(cloud, 'h2')?.secret, undefined)
  t.like(given(cloud, 'h1'), {
    name: 'h1',
    secret: bootSecretOf(key, 'uuid-h1', 'h1'.padEnd(40, 'k'))
  })
  later(cloud)
  const thief = cloud.judged(knock('h1', expectedSecretOf(key, 'h7')))
  t.true('refused' in thief && thief.refused.code === 'conflict')
  cloud.done(knock('h2', expectedSecretOf(key, 'h7')))
  t.is(cloud.host('h2').decided.approval, 'pending')
})
