import test from 'ava'
import {
  createJoinToken,
  joinTokenKeptMs,
  revokeJoinToken
} from '../../../controller/core/admission/join-token.ts'
import type { JoinToken } from '../../../controller/core/commit.ts'
import { decide } from '../../../controller/core/decide.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const sha256 = 'b'.repeat(64)
const hour = 3_600_000

/** A cloud with a token for so many hosts. */
function withToken(wish: Partial<Parameters<typeof createJoinToken>[1]> = {}) {
  const cloud = sampleCloud()
  const asked = { sha256, uses: 1, expiresMs: hour, ...wish }
  const made = createJoinToken(cloud.view, asked, cloud.context)
  if (isRefusal(made)) throw new Error(made.refused.message)
  cloud.commit(made.commit)
  return { cloud, token: made.token }
}

const knock = (host: string, fields: object = {}) => ({
  verb: 'join' as const,
  wish: {
    uuid: `uuid-${host}`,
    hostname: host,
    publicKey: `key-${host}`,
    endpoint: `tcp://10.0.0.9:${host.slice(1)}`,
    trusted: false,
    tokenSha256: sha256,
    ...fields
  }
})

const later = (cloud: SampleCloud, ms: number): SampleCloud['context'] => {
  const { monotonic, wall } = cloud.context.now
  return { ...cloud.context, now: { monotonic: monotonic + ms, wall: wall + ms } }
}

const leftOf = (cloud: SampleCloud, { id }: JoinToken) => cloud.view.joinTokens().get(id)?.usesLeft

test('a token lets a host in, and the same commit counts its use', t => {
  const { cloud, token } = withToken({ uses: 2 })
  const { commit } = cloud.done(knock('h7'))
  t.is(cloud.host('h7').decided.approval, 'approved')
  t.deepEqual(
    commit.changes.map(({ op }) => op),
    ['put', 'join-token-put']
  )
  t.is(leftOf(cloud, token), 1)
})

test('a token for one host admits one, however many bring it', t => {
  const { cloud, token } = withToken()
  for (const host of ['h7', 'h8', 'h9']) cloud.done(knock(host))
  const approvals = ['h7', 'h8', 'h9'].map(host => cloud.host(host).decided.approval)
  t.deepEqual(approvals, ['approved', 'pending', 'pending'])
  t.is(leftOf(cloud, token), 0)
  t.regex(cloud.view.history('host/h8')[0]?.because ?? '', /was used once already/)
})

test('a host that is in and knocks again uses nothing up', t => {
  const { cloud, token } = withToken({ uses: 2 })
  cloud.done(knock('h7'))
  t.deepEqual(cloud.done(knock('h7')).commit.changes, [])
  cloud.done(knock('h7', { endpoint: 'tcp://10.0.0.10:7' }))
  t.is(cloud.host('h7').decided.endpoint, 'tcp://10.0.0.10:7')
  t.is(leftOf(cloud, token), 1)
})

test('a host that waits is let in once it brings a token', t => {
  const { cloud, token } = withToken()
  const { tokenSha256: _, ...without } = knock('h7').wish
  cloud.done({ verb: 'join', wish: without })
  t.is(cloud.host('h7').decided.approval, 'pending')
  cloud.done(knock('h7'))
  t.is(cloud.host('h7').decided.approval, 'approved')
  t.is(leftOf(cloud, token), 0)
})

for (const [what, wish, fields, says] of [
  ['an unknown token', {}, { tokenSha256: 'c'.repeat(64) }, /its token is not known/],
  ['a token of another host', { host: 'uuid-h8' }, {}, /is for host uuid-h8 alone/]
] as const) {
  test(`with ${what} a host waits, and is told why`, t => {
    const { cloud } = withToken(wish)
    cloud.done(knock('h7', fields))
    t.is(cloud.host('h7').decided.approval, 'pending')
    t.regex(cloud.view.history('host/h7')[0]?.because ?? '', says)
  })
}

test('with a token that has expired a host waits, and is told for how long', t => {
  const { cloud, token } = withToken({ expiresMs: 1_000 })
  const context = later(cloud, 61_000)
  Object.assign(cloud.context, context)
  cloud.done(knock('h7'))
  t.is(cloud.host('h7').decided.approval, 'pending')
  t.regex(cloud.view.history('host/h7')[0]?.because ?? '', /expired 60 s ago/)
  t.is(leftOf(cloud, token), 1)
})

test('a token that was revoked lets nobody in', t => {
  const { cloud, token } = withToken()
  const commit = revokeJoinToken(cloud.view, token.id, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
  cloud.done(knock('h7'))
  t.is(cloud.host('h7').decided.approval, 'pending')
  t.like(revokeJoinToken(cloud.view, token.id, cloud.context), { refused: { code: 'not-found' } })
})

test('a token is forgotten a day after its end, not before', t => {
  const { cloud } = withToken()
  const forgotten = (ms: number) =>
    [...decide(cloud.view, later(cloud, ms))].flatMap(
      commit => commit?.changes.filter(({ op }) => op === 'join-token-remove') ?? []
    )
  t.deepEqual(forgotten(hour + joinTokenKeptMs - 1), [])
  t.is(forgotten(hour + joinTokenKeptMs).length, 1)
})

test('a host that was removed waits for an operator, whatever it brings', t => {
  const { cloud, token } = withToken({ uses: 5 })
  cloud.done(knock('h7'))
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h7').id })
  for (const fields of [{}, { trusted: true }, { uuid: 'uuid-new' }, { publicKey: 'key-new' }]) {
    cloud.done(knock('h7', fields))
    t.is(cloud.host('h7').decided.approval, 'pending', JSON.stringify(fields))
    cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h7').id })
  }
  t.is(leftOf(cloud, token), 4)
  cloud.done(knock('h7'))
  cloud.done({ verb: 'approve', id: cloud.host('h7').id })
  t.is(cloud.host('h7').decided.approval, 'approved')
})
