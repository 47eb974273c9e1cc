import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import WebSocket from 'ws'
import {
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'

async function withWorld(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  await joinHost(world)
  await giveImage(world)
  await work(world)
}

const create = (
  name: string,
  spec: object = {},
  headers: Readonly<Record<string, string>> = {}
) => ({
  method: 'POST',
  path: '/v1/instances',
  body: { name, spec: { image: 'tiny', memoryMib: 16, ...spec } },
  headers
})
const wait = { prefer: 'wait=20' }

test('a created instance is answered whole, and with wait once it runs', t =>
  withWorld(t, async world => {
    const made = await world.ask(create('web', {}, wait))
    t.is(made.status, 201, made.text)
    t.is(made.headers['preference-applied'], 'wait=20')
    t.regex(String(made.headers['etag']), /^"1\.[\w-]{12}\.[\w-]{12}"$/)
    t.is(made.headers['location'], `/v1/instances/${made.json.id}`)
    t.is(made.json.status.phase, 'running')
    t.deepEqual(made.json.status.addresses, ['10.66.0.2'])
    t.is(made.json.observedGeneration, 1)
    t.is(made.json.conditions.find(({ type }) => type === 'ready')?.status, 'true')
  }))

test('power verbs, a patch and a deletion each reach the host and come back', t =>
  withWorld(t, async world => {
    await world.ask(create('web', {}, wait))
    for (const [verb, phase] of [
      ['stop', 'stopped'],
      ['start', 'running'],
      ['pause', 'paused'],
      ['resume', 'running'],
      ['restart', 'running']
    ] as const) {
      const path = `/v1/instances/web/${verb}`
      const { json, status } = await world.ask({ method: 'POST', path, body: {}, headers: wait })
      t.is(status, 200)
      t.is(json.status.phase, phase, verb)
    }
    const whatever = { ...wait, 'if-match': '*' }
    const path = '/v1/instances/web'
    const grown = await world.ask({
      method: 'PATCH',
      path,
      body: { spec: { memoryMib: 64 } },
      headers: whatever
    })
    t.is(grown.json.status.memoryMib, 64)
    const gone = await world.ask({ method: 'DELETE', path, headers: whatever })
    t.is(gone.status, 204, gone.text)
    const { list } = await world.ask({ path: `${path}/history` })
    t.deepEqual(
      list.items.slice(-2).map(({ verb }) => verb),
      ['deleting', 'deleted']
    )
    const after = await world.ask({ path })
    t.is(after.status, 404)
    t.regex(after.problem.reasons[0] ?? '', /last heard of at .*deleted/)
  }))

test('the history of what is gone is read by its id, apart from who has its name by now', t =>
  withWorld(t, async world => {
    const verbsOf = async (name: string) => {
      const { list } = await world.ask({ path: `/v1/instances/${name}/history` })
      return list.items.map(({ verb }) => verb)
    }
    const headers = { prefer: 'wait=20', 'if-match': '*' }
    const { json: first } = await world.ask({ ...create('web'), headers })
    await world.ask({ method: 'DELETE', path: '/v1/instances/web', headers })
    const told = await verbsOf('web')
    t.is(told.at(-1), 'deleted')
    t.deepEqual(await verbsOf(first.id), told)
    const { json: second } = await world.ask({ ...create('web'), headers })
    t.deepEqual(await verbsOf(first.id), told)
    const both = await verbsOf('web')
    t.true(both.length > told.length)
    t.deepEqual(await verbsOf(second.id), both)
    t.is((await world.ask({ path: `/v1/volumes/${first.id}/history` })).status, 404)
    t.is((await world.ask({ path: `/v1/instances/${first.id}` })).status, 404)
  }))

test('a replaced wish that does not name restarts keeps their count', t =>
  withWorld(t, async world => {
    const spec = { image: 'tiny', memoryMib: 16 }
    await world.ask(create('web'))
    await world.ask({ method: 'POST', path: '/v1/instances/web/restart', body: {} })
    const path = '/v1/instances/web'
    const headers = { 'if-match': '*' }
    const same = await world.ask({ method: 'PUT', path, body: { spec }, headers })
    t.is(same.json.spec['restarts'], 1)
    t.is(same.headers['remuda-changed'], 'false')
  }))

test('many requests on one connection leave nothing behind on it', t =>
  withWorld(t, async world => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const warnings: string[] = []
    const warned = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warned)
    for (let number = 0; number < 30; number += 1) {
      await new Promise<void>((resolve, reject) => {
        const options = { socketPath: world.socket('admin'), path: '/v1', agent }
        request(options, answer => answer.resume().on('end', resolve))
          .on('error', reject)
          .end()
      })
    }
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', warned)
    agent.destroy()
    t.deepEqual(warnings, [])
  }))

test('the same request with the same Idempotency-Key is done once', t =>
  withWorld(t, async world => {
    const headers = { 'idempotency-key': randomUUID() }
    const [first, second] = await Promise.all([
      world.ask(create('web', {}, headers)),
      world.ask(create('web', {}, headers))
    ])
    const third = await world.ask(create('web', {}, headers))
    t.deepEqual([first.status, second.status, third.status], [201, 201, 201], second.text)
    t.is(third.json.id, first.json.id)
    t.is(third.headers['idempotency-replayed'], 'true')
    const other = await world.ask(create('other', {}, headers))
    t.is(other.status, 422)
    t.regex(other.problem.reasons[0] ?? '', /used at .* with another body/)
  }))

test('a dry run says what would be recorded, and records nothing', t =>
  withWorld(t, async world => {
    const { position } = world.running.service.reign.view
    const { json, status } = await world.ask({ ...create('web'), path: '/v1/instances?dryRun=1' })
    t.is(status, 200)
    t.true(json.dryRun && json.changed)
    t.deepEqual(
      json.decision.changes.map(({ name }) => name),
      ['web', 'web-root', 'web-0']
    )
    t.is(json.decision.placement.chosen, 'h1')
    t.is(world.running.service.reign.view.position, position)
    t.is((await world.ask({ path: '/v1/instances/web' })).status, 404)
  }))

test('a list is paged by a cursor, filtered, sorted and cut to fields', t =>
  withWorld(t, async world => {
    const spec = { desiredPower: 'stopped' }
    await Promise.all(Array.from({ length: 25 }, (_, at) => world.ask(create(`w${at}`, spec))))
    const names: string[] = []
    let next = ''
    do {
      const { list } = await world.ask({ path: `/v1/instances?limit=7&sort=-name${next}` })
      names.push(...list.items.map(({ name }) => name))
      next = list.next === undefined ? '' : `&next=${encodeURIComponent(list.next)}`
    } while (next !== '')
    t.deepEqual(
      names,
      Array.from({ length: 25 }, (_, at) => `w${at}`)
        .sort()
        .reverse()
    )
    const filter = encodeURIComponent('name~w1 and spec.memoryMib=16')
    const some = await world.ask({ path: `/v1/instances?filter=${filter}&fields=status.host` })
    t.is(some.list.items.length, 11)
    t.deepEqual(Object.keys(some.list.items[0] ?? {}).sort(), ['id', 'kind', 'name', 'status'])
    const lines = await world.ask({
      path: '/v1/instances',
      headers: { accept: 'application/x-ndjson' }
    })
    t.is(lines.text.trim().split('\n').length, 25)
    t.regex(some.list.revision, /^1\.\d+$/)
  }))

test('a resource that was read is not sent again', t =>
  withWorld(t, async world => {
    const { headers } = await world.ask({ path: '/v1/sizes/tiny' })
    const again = await world.ask({
      path: '/v1/sizes/tiny',
      headers: { 'if-none-match': String(headers['etag']) }
    })
    t.is(again.status, 304)
    t.is(again.text, '')
  }))

test('without a token nothing is told or done over TCP, and a reader cannot write', t =>
  withWorld(t, async world => {
    for (const [method, path] of [
      ['GET', '/v1/instances'],
      ['POST', '/v1/instances'],
      ['DELETE', '/v1/instances/x'],
      ['PUT', '/v1/images/tiny/content'],
      ['GET', '/v1/images/tiny/content'],
      ['POST', '/v1/hosts/h1/approve'],
      ['GET', '/v1/events'],
      ['GET', '/metrics']
    ] as const) {
      const { status, problem } = await world.askTcp({ method, path })
      t.is(status, 401, `${method} ${path}`)
      t.true(problem.next.length > 0)
    }
    t.is((await world.askTcp({ path: '/healthz' })).status, 200)
    t.is((await world.askTcp({ path: '/readyz' })).status, 200)
    const reader = await world.ask({
      method: 'POST',
      path: '/v1/tokens',
      body: { name: 'r', role: 'reader' }
    })
    const headers = { authorization: `Bearer ${reader.json.token}` }
    t.is((await world.askTcp({ path: '/v1/instances', headers })).status, 200)
    const refused = await world.askTcp({ ...create('x'), headers })
    t.is(refused.status, 403)
    t.regex(refused.problem.reasons[0] ?? '', /r has the role reader, admin is needed/)
    t.is((await world.ask({ method: 'DELETE', path: '/v1/tokens/r' })).status, 204)
    t.is((await world.askTcp({ path: '/v1/instances', headers })).status, 401)
    t.notRegex(JSON.stringify([...world.running.service.reign.view.tokens().values()]), /rmd_/)
  }))

test('the control sockets are open to those who may open their files', t =>
  withWorld(t, async world => {
    t.is((await stat(world.socket('admin'))).mode & 0o777, 0o600)
    t.is((await stat(world.socket('read'))).mode & 0o777, 0o660)
  }))

type Frame = { readonly event: string; readonly id: string; readonly data: string }

/** Follows the events until enough have come. */
function follow(
  world: WorldController,
  enough: (frames: readonly Frame[]) => boolean,
  headers: Readonly<Record<string, string>> = {}
): Promise<readonly Frame[]> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: world.socket('admin'), path: '/v1/events', headers, agent: false }
    const sent = request(options, answer => {
      let text = ''
      answer.on('data', chunk => {
        text += chunk
        const blocks = text.split('\n\n').slice(0, -1)
        const frames = blocks.map(block => {
          const field = (name: string) =>
            block
              .split('\n')
              .find(line => line.startsWith(`${name}: `))
              ?.slice(name.length + 2) ?? ''
          return { event: field('event'), id: field('id'), data: field('data') }
        })
        if (!enough(frames)) return
        sent.destroy()
        resolve(frames)
      })
    })
    sent.on('error', reject)
    sent.setTimeout(20_000, () => sent.destroy(new Error('no event came')))
    sent.end()
  })
}

test('events are told as they happen, and a client that was away goes on where it was', t =>
  withWorld(t, async world => {
    const following = follow(world, frames => frames.some(({ data }) => data.includes('"running"')))
    await world.ask(create('web', {}, wait))
    const frames = await following
    t.is(frames[0]?.event, 'bookmark')
    const first = frames.find(({ data }) => data.includes('"name":"web"'))!
    const last = frames.at(-1)!
    await world.ask(create('two', {}, wait))
    const resumed = await follow(
      world,
      some => some.some(({ data }) => data.includes('"name":"two"')),
      { 'last-event-id': last.id }
    )
    t.false(
      resumed.some(({ id }) => id === first.id),
      'nothing is told twice'
    )
    const numbers = resumed.slice(1).map(({ id }) => Number(id.split('.')[1]))
    t.is(numbers[0], Number(last.id.split('.')[1]) + 1, 'nothing is left out')
    for (const old of ['0.1', '1.99999999', 'nonsense']) {
      const reset = await follow(world, some => some.length >= 2, { 'last-event-id': old })
      t.is(reset[1]?.event, 'reset', old)
    }
  }))

test('a console passes bytes both ways, and is closed to readers', async t =>
  await withWorld(t, async world => {
    await world.ask(create('web', {}, wait))
    const path = '/v1/instances/web/console'
    const client = new WebSocket(`ws+unix:${world.socket('admin')}:${path}`)
    const heard: string[] = []
    await new Promise<void>((resolve, reject) => {
      client.on('error', reject)
      client.on('message', data => {
        heard.push(String(data))
        if (heard.join('').includes('welcome')) client.send('echo me')
        if (heard.join('').includes('echo me')) resolve()
      })
    })
    client.close()
    const log = await world.ask({ path: '/v1/instances/web/log' })
    t.is(log.text, 'login: ')
    const refused = await new Promise<number>(resolve => {
      const other = new WebSocket(`ws://127.0.0.1:${world.running.port}${path}`)
      other.on('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0))
      other.on('error', () => {})
    })
    t.is(refused, 401)
  }))

test('when the journal cannot be written the change is refused, and goes through once it can', t =>
  withWorld(t, async world => {
    world.disk.failNext('refused')
    const spec = { desiredPower: 'stopped' }
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, at) => world.ask(create(`w${at}`, spec)))
    )
    const refused = all.filter(({ status }) => status === 503)
    t.true(refused.length > 0)
    for (const { problem } of refused) t.regex(problem.detail, /cannot record the change/)
    world.disk.heal()
    const { ledger, reign } = world.running.service
    await ledger.recovered()
    t.is((await world.ask(create('later', spec))).status, 201)
    const names = [...reign.view.all('instance').values()].map(({ name }) => name).sort()
    const kept = all.filter(({ status }) => status === 201).map(({ json }) => json.name)
    t.deepEqual(names, [...kept, 'later'].sort())
  }))

test('an unknown outcome is read back, and the epoch is raised before work goes on', t =>
  withWorld(t, async world => {
    const { ledger, reign } = world.running.service
    const { epoch } = ledger
    world.disk.failNext('unknown')
    const { status } = await world.ask(create('web', { desiredPower: 'stopped' }))
    t.is(status, 503)
    world.disk.heal()
    await ledger.recovered()
    t.is(ledger.epoch, epoch + 1)
    const stored = world.disk.head()
    t.is(reign.view.position, stored, 'the view is where the journal is')
  }))

test('a controller that starts again knows everything, and a new epoch', async t => {
  const world = await worldController()
  await joinHost(world)
  await giveImage(world)
  const made = await world.ask(create('web', {}, wait))
  const { disk, running } = world
  const { epoch } = running.service.ledger
  await world[Symbol.asyncDispose]()
  await using again = await worldController({ disk })
  const { json } = await again.ask({ path: '/v1/instances/web' })
  t.is(json.id, made.json.id)
  t.is(again.running.service.ledger.epoch, epoch + 1)
})

test('the numbers of the cloud can be scraped', t =>
  withWorld(t, async world => {
    await world.ask(create('web', {}, wait))
    const { text } = await world.ask({ path: '/metrics' })
    t.regex(text, /^remuda_instances\{phase="running"\} 1$/m)
    t.regex(text, /^remuda_event_loop_delay_seconds\{quantile="0\.99"\} [\d.]+$/m)
    const { json } = await world.ask({ path: '/v1/status' })
    t.deepEqual(json.hosts, { online: 1 })
  }))
