import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { until, type WorldCandidate, WorldCandidates } from '../../world/world-candidates.ts'

const headersOf = async (world: WorldCandidate, path: string) => {
  const { headers } = await world.ask({ path })
  return { position: headers['remuda-position'], controller: headers['remuda-controller'] }
}
const create = (name: string) => ({
  method: 'POST',
  path: '/v1/tenants',
  body: { name, spec: {} }
})
const caughtUp = async (world: WorldCandidate, other: WorldCandidate): Promise<void> => {
  const wanted = other.candidate.service.ledger.durablePosition
  await until(() => world.candidate.service.ledger.durablePosition >= wanted)
}

test('the first candidate leads and founds the cloud, another one follows it', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  t.is((await world.leader()).name, 'a')
  const b = await world.start('b')
  // What a records of it, soon after it stands, is the last that is due.
  const known = () => a.candidate.service.ledger.view.cloud?.bootstrap?.bootstrap.candidates ?? []
  await until(() => known().length === 2)
  await a.candidate.service.ledger.durable()
  await caughtUp(b, a)
  t.false(b.candidate.mayAct())
  t.deepEqual(b.candidate.service.ledger.view.cloud, a.candidate.service.ledger.view.cloud)
  const said = await headersOf(b, '/v1')
  t.is(said.position, `1.${a.candidate.service.ledger.durablePosition}`)
  await until(async () => (await headersOf(b, '/v1')).controller)
  t.is((await headersOf(b, '/v1')).controller, `a http://127.0.0.1:${a.candidate.port}`)
})

test('a write to a candidate that follows is passed on, with who asked and its key', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await until(async () => (await headersOf(b, '/v1')).controller)
  const headers = { 'idempotency-key': 'k1' }
  const first = await b.ask({ ...create('red'), headers })
  t.is(first.status, 201, first.text)
  t.is(first.headers['remuda-passed-by'], 'b')
  const again = await b.ask({ ...create('red'), headers })
  t.is(again.headers['idempotency-replayed'], 'true')
  const history = await a.ask({ path: '/v1/tenants/red/history' })
  t.regex(history.text, /"by":"user\/admin"/)
  const token = (await readFile(join(a.state, 'admin.token'), 'utf8')).trim()
  const authorization = { authorization: `Bearer ${token}` }
  t.is((await b.askTcp({ ...create('blue'), headers: authorization })).status, 201)
  t.is((await b.askTcp({ ...create('green') })).status, 401)
  const wrong = { 'remuda-forwarded': '1;a;admin;admin;1;2;3' }
  t.is((await a.askTcp({ ...create('green'), headers: wrong })).status, 401)
})

test('where nobody leads, reads are answered and writes are refused with the reason', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  const stuck = world.elections.stand('somebody who never leads')
  t.teardown(() => stuck.expire())
  b.expire()
  await a.stop()
  const read = await until(async () => {
    const answer = await b.ask({ path: '/v1/tenants' })
    return answer.headers['remuda-controller'] === undefined && answer
  })
  t.is(read.status, 200)
  const refused = await b.ask(create('red'))
  t.is(refused.status, 503)
  t.is(refused.problem.detail, 'cannot POST /v1/tenants: nobody leads at the moment')
  t.is(refused.problem.type, 'urn:remuda:no-leader')
  t.is(refused.headers['retry-after'], '1')
  const cluster = await b.ask({ path: '/v1/cluster' })
  t.like(JSON.parse(cluster.text), { name: 'b', state: 'follows' })
})

test('a candidate that has read nothing yet does not look like an empty cloud', async t => {
  await using world = new WorldCandidates()
  const stuck = world.elections.stand('somebody who never leads')
  t.teardown(() => stuck.expire())
  const b = await world.start('b')
  const read = await b.ask({ path: '/v1/tenants' })
  t.is(read.status, 503)
  t.is(read.problem.detail, 'cannot GET /v1/tenants: b has not read the journal yet')
  t.is(read.problem.type, 'urn:remuda:not-leading')
  t.is((await b.ask({ path: '/v1/cluster' })).status, 200)
})

test('what was passed on to a candidate that does not lead is given back', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  const token = (await readFile(join(a.state, 'admin.token'), 'utf8')).trim()
  const headers = { authorization: `Bearer ${token}`, 'remuda-passed': '1' }
  await until(async () => (await headersOf(b, '/v1')).controller)
  const passed = await b.askTcp({ path: '/v1/instances', headers })
  t.is(passed.status, 503)
  t.is(passed.problem.detail, 'cannot GET /v1/instances: b does not lead')
  t.is(passed.problem.type, 'urn:remuda:not-leading')
})

test('who steps down ends to start again, and the next one has all that was written', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  t.is((await a.ask(create('red'))).status, 201)
  await until(async () => (await headersOf(b, '/v1')).controller)
  const answer = await b.ask({ method: 'POST', path: '/v1/cluster/step-down' })
  t.is(answer.status, 200, answer.text)
  t.is(JSON.parse(answer.text).steppedDown, 'a')
  t.like(await a.candidate.over, { restart: true, because: 'stepped down: admin asked for it' })
  t.is((await world.leader()).name, 'b')
  const { ledger } = b.candidate.service
  t.is(ledger.epoch, 2)
  t.truthy(ledger.view.named('tenant', 'red'))
  t.is((await b.ask(create('blue'))).status, 201)
})

test('who was taken out of the list does not stand until it is allowed again', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  const c = await world.start('c')
  const standing = () => world.elections.standing.length
  await until(() => standing() === 3)
  const candidates = '/v1/cluster/candidates'
  await until(async () => (await a.ask({ path: candidates })).text.includes('"name":"b"'))
  t.is((await a.ask({ method: 'DELETE', path: `${candidates}/b` })).status, 200)
  await until(() => standing() === 2)
  const because = await until(async () => {
    const said = JSON.parse((await b.ask({ path: '/v1/cluster' })).text)
    return said.state === 'waits' && said.because
  })
  t.is(because, 'b was taken out of the list of candidates; remuda cluster candidate allow b')
  t.is((await a.ask({ method: 'POST', path: '/v1/cluster/step-down' })).status, 200)
  t.is((await world.leader()).name, 'c')
  t.is((await c.ask({ method: 'POST', path: `${candidates}/b/allow` })).status, 200)
  await until(() => standing() === 2)
})

test('a controller whose lease has run out writes nothing itself, and ends', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  a.line().election?.pause()
  t.is((await world.leader()).name, 'b')
  const passed = await a.ask(create('red'))
  t.is(passed.headers['remuda-passed-by'], 'a', passed.text)
  t.is(passed.status, 201)
  a.line().election?.resume()
  t.like(await a.candidate.over, { restart: true })
  t.is((await b.ask(create('blue'))).status, 201)
  await a.stop()
  const again = await world.start('a')
  await caughtUp(again, b)
  t.truthy(again.candidate.service.ledger.view.named('tenant', 'blue'))
  t.is(again.candidate.service.ledger.epoch, 2)
})

test('a candidate that starts again loads its replica and reads only what came after', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  for (const name of ['red', 'blue']) await a.ask(create(name))
  await caughtUp(b, a)
  await b.stop()
  await a.ask(create('green'))
  let asked = 0
  const disk = world.disk.following.bind(world.disk)
  world.disk.following = after => {
    asked = Math.max(asked, world.disk.head() - after)
    return disk(after)
  }
  const again = await world.start('b')
  t.truthy(again.candidate.service.ledger.view.named('tenant', 'blue'))
  await caughtUp(again, a)
  t.truthy(again.candidate.service.ledger.view.named('tenant', 'green'))
  t.true(asked <= 3, `${asked} entries were read`)
})

test('a replica that is of another journal is thrown away and made anew', async t => {
  await using world = new WorldCandidates()
  await using other = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  await b.stop()
  await a.stop()
  const x = await other.start('x')
  await other.leader()
  for (const name of ['red', 'blue']) await x.ask(create(name))
  world.disk.entries = [...other.disk.entries]
  const again = await world.start('b')
  const { restart, because } = await again.candidate.over
  t.true(restart)
  t.regex(because, /no use: entry \d+ of the journal is another one than was followed/)
  await again.stop()
  const third = await world.start('b')
  await until(() => third.candidate.service.ledger.durablePosition >= 3)
  t.is(third.candidate.service.ledger.view.cloud?.id, x.candidate.service.ledger.view.cloud?.id)
})

test('a candidate that finds a gap in the journal says so and does not stand', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  for (const name of ['red', 'blue', 'green']) await a.ask(create(name))
  await a.stop()
  world.disk.entries.splice(2, 1)
  const b = await world.start('b')
  const status = await until(async () => {
    const answer = await b.ask({ path: '/v1/cluster' })
    const said = JSON.parse(answer.text)
    return said.state === 'corrupt' && said
  })
  t.regex(status.because, /entry 3 is missing although 4 is there/)
  t.is(world.elections.standing.length, 0)
  t.is((await b.ask(create('red'))).status, 503)
})

test('the content of an image is copied to each candidate and found after a change', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  await until(async () => (await headersOf(b, '/v1')).controller)
  const content = Buffer.alloc(1_024 * 1_024, 'x')
  const spec = { name: 'tiny', spec: { format: 'raw' } }
  t.is((await b.ask({ method: 'POST', path: '/v1/images', body: spec })).status, 201)
  const type = { 'content-type': 'application/octet-stream' }
  const path = '/v1/images/tiny/content'
  const sent = await b.ask({ method: 'PUT', path, raw: content, headers: type })
  t.is(sent.status, 200, sent.text)
  const sha256 = createHash('sha256').update(content).digest('hex')
  await until(() => b.candidate.service.images.has(sha256))
  const both = JSON.parse((await b.ask({ path: '/v1/cluster' })).text)
  t.deepEqual(both.images, { wanted: 1, missing: [], few: [] })
  await a.stop()
  t.is((await world.leader()).name, 'b')
  const got = await b.ask({ path })
  t.is(createHash('sha256').update(got.text).digest('hex'), sha256)
  const { images } = JSON.parse((await b.ask({ path: '/v1/cluster' })).text)
  t.deepEqual(images, { wanted: 1, missing: [], few: ['tiny'] })
})

test('who knocks at a candidate that follows is judged by the controller', async t => {
  await using world = new WorldCandidates()
  const a = await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await caughtUp(b, a)
  await until(async () => (await headersOf(b, '/v1')).controller)
  const token = (await readFile(join(a.state, 'join.token'), 'utf8')).trim()
  const join_ = {
    type: 'join' as const,
    uuid: 'h1',
    hostname: 'h1',
    publicKey: 'p'.repeat(40),
    endpoint: 'tcp://127.0.0.1:1',
    token
  }
  t.like(await b.candidate.doorkeeper(join_), { verdict: 'approved' })
  const own = (await readFile(join(b.state, 'join.token'), 'utf8')).trim()
  const other = { ...join_, uuid: 'h2', hostname: 'h2', endpoint: 'tcp://127.0.0.1:2' }
  t.like(await b.candidate.doorkeeper({ ...other, token: own }), { verdict: 'approved' })
  const third = { ...join_, uuid: 'h3', hostname: 'h3', endpoint: 'tcp://127.0.0.1:3' }
  t.like(await b.candidate.doorkeeper({ ...third, token: 'rmj_wrong' }), { verdict: 'pending' })
  t.truthy(a.candidate.service.ledger.view.named('host', 'h1'))
  const status = await until(async () => {
    const { json } = await b.ask({ path: '/v1/hosts/h1' })
    return json.status.phase === 'online' && json
  })
  t.truthy(status)
})

test('an upgrade is passed on as well', async t => {
  await using world = new WorldCandidates()
  await world.start('a')
  await world.leader()
  const b = await world.start('b')
  await until(async () => (await headersOf(b, '/v1')).controller)
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(join(b.state, 'run', 'admin.sock'))
    socket.on('error', reject)
    socket.write(
      'GET /v1/instances/nobody/console HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n' +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n'
    )
    socket.once('data', bytes => {
      socket.destroy()
      resolve(bytes.toString())
    })
  })
  t.regex(text, /^HTTP\/1.1 404/)
  t.regex(text, /nobody/)
})
