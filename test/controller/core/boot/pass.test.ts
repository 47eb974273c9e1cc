import test from 'ava'
import {
  bootSecretOf,
  expectedSecretOf,
  secretHashOf,
  strangerSecretOf
} from '#shared/wire/boot-secret.ts'
import { bootPlanOf } from '../../../../controller/core/boot/plan.ts'
import { expectMachine, setBoot } from '../../../../controller/core/boot/wishes.ts'
import { key, promotedCloud } from './boot-world.ts'

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
