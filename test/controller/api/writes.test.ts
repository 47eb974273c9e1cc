import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import {
  type Asked,
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'

async function withHost(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  await joinHost(world)
  await giveImage(world)
  await work(world)
}

const wait = { prefer: 'wait=20' }
const create = (name: string, headers: Asked['headers'] = {}): Asked => ({
  method: 'POST',
  path: '/v1/instances',
  body: { name, spec: { image: 'tiny', memoryMib: 16 } },
  headers
})
const size = (name: string, query = ''): Asked => ({
  method: 'POST',
  path: `/v1/sizes${query}`,
  body: { name, spec: { vcpus: 1, memoryMib: 64 } }
})

/** Asks for something whose write waits, and then, seeing it, asks all the others. */
async function amidAWrite(
  world: WorldController,
  first: Asked,
  others: readonly Asked[]
): Promise<readonly number[]> {
  const { disk, running } = world
  const { ledger } = running.service
  disk.hold()
  const asked = [world.ask(first)]
  while (ledger.view.position === ledger.durablePosition) await sleep(5)
  let answered = 0
  for (const one of others) {
    asked.push(
      world.ask(one).then(answer => {
        answered += 1
        return answer
      })
    )
  }
  // An answer to something else shows that these have been looked at.
  await world.ask({ path: '/healthz' })
  await world.ask({ path: '/healthz' })
  if (answered > 0) throw new Error(`${answered} answered before anything was on disk`)
  disk.failNext('refused')
  disk.release()
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  disk.heal()
  await ledger.recovered()
  return statuses
}

test('no answer of any sort is made of what is not on disk', t =>
  withHost(t, async world => {
    const key = { 'idempotency-key': 'k' }
    const first = { ...size('x'), headers: key }
    const others: readonly Asked[] = [
      first,
      size('x'),
      size('x', '?dryRun=1'),
      { path: '/v1/sizes/x' },
      { path: '/v1/sizes/x/why' },
      { path: '/v1/sizes/x/history' },
      { path: '/v1/sizes' },
      { method: 'PATCH', path: '/v1/sizes/none', body: {}, headers: { 'if-match': '*' } }
    ]
    const statuses = await amidAWrite(world, first, others)
    t.deepEqual([...new Set(statuses)], [503])
    t.is((await world.ask({ path: '/v1/sizes/x' })).status, 404)
    t.is((await world.ask({ ...size('x'), headers: key })).status, 201)
  }))

test('an answer to a write tells what was recorded, not what another one makes of it', t =>
  withHost(t, async world => {
    const { disk, running } = world
    const { view } = running.service.reign
    await world.ask(size('x'))
    const patch = (memoryMib: number): Asked => ({
      method: 'PATCH',
      path: '/v1/sizes/x',
      headers: { 'if-match': '*' },
      body: { spec: { memoryMib } }
    })
    disk.hold()
    const asked = []
    for (const memoryMib of [128, 256]) {
      const { position } = view
      asked.push(world.ask(patch(memoryMib)))
      while (view.position === position) await sleep(5)
    }
    disk.release()
    t.deepEqual(
      (await Promise.all(asked)).map(({ json }) => json.spec['memoryMib']),
      [128, 256]
    )
  }))

test('what was read again is new when its status is, and may be written all the same', t =>
  withHost(t, async world => {
    await world.ask(create('web', wait))
    const path = '/v1/instances/web'
    const read = await world.ask({ path })
    const etag = String(read.headers['etag'])
    t.is((await world.ask({ path, headers: { 'if-none-match': etag } })).status, 304)
    const several = `"1.x.y", W/${etag}`
    t.is((await world.ask({ path, headers: { 'if-none-match': several } })).status, 304)
    world.mesh.obedience = {
      twist: report => ({
        ...report,
        instances: report.instances.map(one => ({ ...one, message: 'another sentence' }))
      })
    }
    world.mesh.report('h1')
    const feed = world.running.service.feed.revision
    while (world.running.service.feed.revision === feed) await sleep(5)
    const again = await world.ask({ path, headers: { 'if-none-match': etag } })
    t.is(again.status, 200)
    t.not(again.headers['etag'], etag)
    const body = { labels: { app: 'shop' } }
    const written = await world.ask({
      method: 'PATCH',
      path,
      body,
      headers: { 'if-match': etag }
    })
    t.is(written.status, 200, written.text)
  }))

test('labels that somebody else has changed are not overwritten', t =>
  withHost(t, async world => {
    await world.ask(size('x'))
    const path = '/v1/sizes/x'
    const { headers } = await world.ask({ path })
    const patch = (name: string) =>
      world.ask({
        method: 'PATCH',
        path,
        headers: { 'if-match': String(headers['etag']) },
        body: { labels: { name } }
      })
    t.is((await patch('one')).status, 200)
    const { status, problem } = await patch('two')
    t.is(status, 412)
    t.regex(problem.reasons[0] ?? '', /its labels are others now/)
  }))

test('a restart with the same Idempotency-Key is done once, and waited for as often as asked', t =>
  withHost(t, async world => {
    await world.ask(create('web', wait))
    const restart = {
      method: 'POST',
      path: '/v1/instances/web/restart',
      body: {},
      headers: { 'idempotency-key': 'r', ...wait }
    }
    const first = await world.ask(restart)
    const second = await world.ask(restart)
    t.is(first.json.spec['restarts'], 1, first.text)
    t.is(second.json.spec['restarts'], 1)
    t.is(second.headers['idempotency-replayed'], 'true')
    t.is(second.headers['preference-applied'], 'wait=20')
    const other = { ...restart, headers: { 'idempotency-key': 's' } }
    t.is((await world.ask(other)).json.spec['restarts'], 2)
  }))

test('a wish that names another tenant than the one who has it is refused', t =>
  withHost(t, async world => {
    await world.ask({ method: 'POST', path: '/v1/networks', body: { name: 'lan' } })
    const { status, problem } = await world.ask({
      method: 'PUT',
      path: '/v1/networks/lan',
      headers: { 'if-match': '*' },
      body: { tenant: 'shop', spec: {} }
    })
    t.is(status, 422)
    t.regex(problem.detail, /cannot give network lan to tenant shop/)
  }))
