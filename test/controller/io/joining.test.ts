/** Joining a controller by token and by word, through its API and its doorkeeper. */
import test, { type ExecutionContext } from 'ava'
import { HostClaims } from '#shared/model/host-claims.ts'
import { validator } from '#shared/model/validate.ts'
import { readJoinToken } from '#shared/wire/join-token.ts'
import type { Join } from '#shared/wire/messages.ts'
import { joinHost, type WorldController, worldController } from '../../world/world-controller.ts'

async function withWorld(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  const cards = async () => [
    {
      name: 'c1',
      apiUrl: 'http://127.0.0.1:1',
      meshKey: 'k'.repeat(40),
      doorEndpoint: 'tcp://127.0.0.1:7412',
      doorKey: 'd'.repeat(40)
    }
  ]
  await using world = await worldController({ candidates: { cards, ensemble: [] } })
  for (;;) {
    const { json } = await world.ask({ path: '/v1/cluster/candidates' })
    if ((json as unknown as { readonly version: number }).version > 0) break
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  await work(world)
}

const makeToken = async (world: WorldController, body: object = {}) => {
  const made = await world.ask({ method: 'POST', path: '/v1/join-tokens', body })
  return { made, ...(made.json as unknown as { readonly id: string; readonly token: string }) }
}

const knock = (world: WorldController, host: string, fields: Partial<Join> = {}) =>
  world.running.doorkeeper({
    type: 'join',
    uuid: host,
    hostname: host,
    publicKey: host.padEnd(40, 'k'),
    endpoint: `tcp://127.0.0.1:1${host.slice(1)}`,
    ...fields
  })

const claims: HostClaims = {
  ...{ vendor: 'Dell Inc.', product: 'R640', serial: 'ABC', cpu: 'Xeon', threads: 40 },
  ...{ memoryMib: 262_144, disks: 2, disksMib: 102_400, bmc: true },
  nics: [{ name: 'eno1', mac: '52:54:00:12:34:56' }]
}
const problemsOf = validator(HostClaims)

/** Whatever has become of it since it was read. */
const ifAny = { 'if-match': '*' }

const reasons = ({ running }: WorldController) =>
  [...running.service.reign.view.all('event').values()].map(({ spec }) => spec.reason)
const metrics = async (world: WorldController) => (await world.ask({ path: '/metrics' })).text

test('a token says where to knock, and which keys to trust; only its hash is kept', t =>
  withWorld(t, async world => {
    const { made, token } = await makeToken(world)
    t.is(made.status, 201)
    const { id: cloud, signing } = world.running.service.reign.view.cloud!
    const content = readJoinToken(token)
    t.like(content, {
      cloud,
      cloudKey: signing!.publicKey,
      doors: [{ endpoint: 'tcp://127.0.0.1:7412', publicKey: 'd'.repeat(40) }]
    })
    t.true(Buffer.from(content.secret, 'base64url').length >= 16)
    const list = (await world.ask({ path: '/v1/join-tokens' })).text
    t.false(list.includes(content.secret) || list.includes(token))
    const kept = JSON.stringify([...world.running.service.reign.view.joinTokens().values()])
    t.false(kept.includes(content.secret))
  }))

test('a host with a token is in, with the signed list; its second use is audited', t =>
  withWorld(t, async world => {
    const { token } = await makeToken(world)
    const { secret } = readJoinToken(token)
    const joined = await knock(world, 'h1', { token: secret })
    t.is(joined.verdict, 'approved')
    t.is(joined.bootstrap?.bootstrap.candidates[0]?.name, 'c1')
    t.is(joined.cloudKey, world.running.service.reign.view.cloud?.signing?.publicKey)
    const again = await knock(world, 'h2', { token: secret })
    t.is(again.verdict, 'pending')
    t.regex(again.because, /was used once already.*remuda host approve h2/)
    t.is(again.bootstrap, undefined)
    t.true(reasons(world).includes('token-used-up'))
    t.regex(await metrics(world), /remuda_door_refusals_total\{reason="token-used-up"\} 1/)
  }))

test('of hosts that bring a token at the same moment so many come in as it may let', t =>
  withWorld(t, async world => {
    const { token, id } = await makeToken(world, { uses: 3 })
    const { secret } = readJoinToken(token)
    const hosts = Array.from({ length: 8 }, (_, index) => `h${index + 1}`)
    const all = await Promise.all(hosts.map(host => knock(world, host, { token: secret })))
    t.is(all.filter(({ verdict }) => verdict === 'approved').length, 3)
    t.is(world.running.service.reign.view.joinTokens().get(id)?.usesLeft, 0)
  }))

test('a host that waits shows what it says of its hardware, until it is let in', t =>
  withWorld(t, async world => {
    const host = async () => {
      const { status, conditions } = (await world.ask({ path: '/v1/hosts/h1' })).json as never as {
        readonly status: { readonly claims?: HostClaims }
        readonly conditions: readonly { readonly type: string; readonly message: string }[]
      }
      return { claims: status.claims, ready: conditions.find(one => one.type === 'ready')?.message }
    }
    await knock(world, 'h1')
    t.is((await host()).claims, undefined)
    t.is((await host()).ready, 'waits to be let in: remuda host approve h1')
    await knock(world, 'h1', { claims })
    const { claims: shown, ready } = await host()
    t.deepEqual(shown, claims)
    t.is(
      ready,
      'waits to be let in: remuda host approve h1; it says of itself: Dell Inc. R640, ' +
        'serial ABC, 40 threads (Xeon), 256 GiB of memory, 2 disks (100 GiB), ' +
        'interfaces eno1 52:54:00:12:34:56'
    )
    const body = {}
    await world.ask({ method: 'POST', path: '/v1/hosts/h1/approve', body })
    t.is((await host()).claims, undefined)
  }))

test('what would move the cursor of who reads it is no claim', t => {
  t.deepEqual(problemsOf(claims), [])
  t.true(problemsOf({ ...claims, vendor: 'a\u001b[2J' }).length > 0)
  t.true(problemsOf({ ...claims, nics: Array(17).fill(claims.nics[0]) }).length > 0)
})

test('tokens that are guessed are counted, but fill neither journal nor log', t =>
  withWorld(t, async world => {
    for (let count = 1; count <= 20; count++) {
      await knock(world, 'h1', { token: `guess-${count}` })
    }
    const event = [...world.running.service.reign.view.all('event').values()].find(
      ({ spec }) => spec.reason === 'token-unknown'
    )
    t.true((event?.decided.count ?? 0) >= 1 && (event?.decided.count ?? 0) <= 6)
    t.regex(await metrics(world), /remuda_door_refusals_total\{reason="token-unknown"\} 20/)
  }))

test('a host that keeps a newer list than a journal that was put back gets a newer one yet', t =>
  withWorld(t, async world => {
    await joinHost(world)
    const publicKey = 'p'.repeat(40)
    const known = { publicKey, endpoint: 'tcp://127.0.0.1:1', bootstrapVersion: 41 }
    for (;;) {
      const { verdict, bootstrap } = await knock(world, 'h1', known)
      t.is(verdict, 'approved')
      if (bootstrap?.bootstrap.version === 42) break
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    t.pass()
  }))

for (const [what, body] of [
  ['for no host', { uses: 0 }],
  ['for longer than a day', { expiresMs: 86_400_001 }],
  ['for something that is no host', { host: 'h1' }],
  ['with a field that there is not', { forEver: true }]
] as const) {
  test(`no token is made ${what}`, t =>
    withWorld(t, async world => {
      const { made } = await makeToken(world, body)
      t.is(made.status, 422)
    }))
}

test('a token that is revoked is worth nothing', t =>
  withWorld(t, async world => {
    const { token, id } = await makeToken(world)
    const path = `/v1/join-tokens/${id}`
    t.is((await world.ask({ method: 'DELETE', path })).status, 204)
    t.is((await world.ask({ method: 'DELETE', path })).status, 404)
    const { verdict } = await knock(world, 'h1', { token: readJoinToken(token).secret })
    t.is(verdict, 'pending')
  }))

test('a host that is removed is hung up on, and waits when it knocks again', t =>
  withWorld(t, async world => {
    await joinHost(world)
    const path = '/v1/hosts/h1'
    t.is((await world.ask({ method: 'DELETE', path, headers: ifAny })).status, 204)
    await t.throwsAsync(joinHost(world), { message: /it was removed at .*host approve h1/ })
    t.true(reasons(world).includes('host-removed'))
    await world.ask({ method: 'POST', path: `${path}/approve` })
    await joinHost(world)
    t.pass('an operator lets it in again')
  }))

test('a host with instances goes only by force, and they are forgotten with it', t =>
  withWorld(t, async world => {
    await joinHost(world)
    const volume = { name: 'store', spec: { sizeMib: 8 } }
    await world.ask({ method: 'POST', path: '/v1/volumes', body: volume })
    const spec = { volumes: ['store'], memoryMib: 16 }
    const body = { name: 'web', spec }
    t.is((await world.ask({ method: 'POST', path: '/v1/instances', body })).status, 201)
    const path = '/v1/hosts/h1'
    const refused = await world.ask({ method: 'DELETE', path, headers: ifAny })
    t.is(refused.status, 409)
    t.regex(refused.text, /cannot remove host h1: it holds what cannot go elsewhere/)
    t.regex(refused.text, /--force forgets it with all that is on it, for good/)
    const forced = { method: 'DELETE', path: `${path}?force=1`, headers: ifAny }
    t.is((await world.ask(forced)).status, 204)
    t.is((await world.ask({ path: '/v1/instances/web' })).status, 404)
    t.is((await world.ask({ path: '/v1/volumes/store' })).status, 404)
    t.deepEqual([...world.running.service.reign.view.all('port').values()], [])
  }))

test('who is candidate is shown; who leads is not taken out', t =>
  withWorld(t, async world => {
    const { name } = await world.running.service.cluster.status()
    const list = await world.ask({ path: '/v1/cluster/candidates' })
    t.like(list.json, { version: 1, candidates: [{ name: 'c1' }], out: [] } as object)
    const gone = { method: 'DELETE', path: '/v1/cluster/candidates/c1' }
    if (name === 'c1') t.is((await world.ask(gone)).status, 409)
    else {
      t.like((await world.ask(gone)).json, { version: 2, candidates: [] } as object)
      const allow = { method: 'POST', path: '/v1/cluster/candidates/c1/allow' }
      t.is((await world.ask(allow)).status, 200)
      t.is((await world.ask(allow)).status, 404)
    }
  }))
