import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type WorldController, worldController } from '../../world/world-controller.ts'

type Frame = { readonly event: string; readonly id: string; readonly data: string }

const fieldOf = (block: string, name: string): string =>
  block
    .split('\n')
    .find(line => line.startsWith(`${name}: `))
    ?.slice(name.length + 2) ?? ''

/** Follows the events until told to stop; gives the frames as they come. */
async function* follow(
  world: WorldController,
  { query = '', headers = {} }: { readonly query?: string; readonly headers?: object } = {}
): AsyncGenerator<Frame> {
  const answer = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
    const path = `/v1/events${query}`
    const options = { socketPath: world.socket('admin'), path, headers: { ...headers } }
    request({ ...options, agent: false, timeout: 20_000 }, resolve)
      .on('error', reject)
      .end()
  })
  let text = ''
  for await (const bytes of answer) {
    text += String(bytes)
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const [event, id, data] = ['event', 'id', 'data'].map(name => fieldOf(block, name))
      yield { event: event!, id: id!, data: data! }
    }
  }
}

async function withSize(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  await using world = await worldController()
  await work(world)
}

const label = (name: string) => ({
  method: 'PATCH',
  path: '/v1/sizes/tiny',
  headers: { 'if-match': '*' },
  body: { labels: { name } }
})

test('a client that goes on is given no id of what it has not been sent', t =>
  withSize(t, async world => {
    const { feed } = world.running.service
    const before = feed.revision
    await world.ask(label('a'))
    t.not(feed.revision, before)
    const frames: Frame[] = []
    for await (const frame of follow(world, { headers: { 'last-event-id': before } })) {
      frames.push(frame)
      if (frame.id === feed.revision) break
    }
    t.is(frames[0]?.event, 'bookmark')
    t.is(frames[0]?.id, before)
    t.true(frames.some(({ data }) => data.includes('"name":"a"')))
  }))

test('what happens right after the first bookmark is told', t =>
  withSize(t, async world => {
    const frames: Frame[] = []
    for await (const frame of follow(world, { query: '?kinds=size' })) {
      frames.push(frame)
      if (frames.length === 1) await world.ask(label('a'))
      if (frame.data.includes('"name":"a"')) break
    }
    t.is(frames.length, 2)
  }))

test('nobody is told of a change whose write fails, and everybody starts anew', t =>
  withSize(t, async world => {
    const { disk, running } = world
    const { view } = running.service.reign
    const frames: Frame[] = []
    const asked: Promise<{ readonly status: number }>[] = []
    const ask = async (name: string): Promise<void> => {
      const { position } = view
      asked.push(world.ask(label(name)))
      while (view.position === position) await sleep(5)
    }
    for await (const frame of follow(world, { query: '?kinds=size' })) {
      frames.push(frame)
      if (frames.length === 1) {
        disk.hold()
        await ask('kept')
        await ask('lost')
        disk.release()
        disk.hold()
        await asked[0]
        disk.failNext('refused')
        disk.release()
      }
      if (frame.event === 'reset') break
    }
    t.deepEqual(
      (await Promise.all(asked)).map(({ status }) => status),
      [200, 503]
    )
    t.deepEqual(
      frames.map(({ event }) => event),
      ['bookmark', 'change', 'reset']
    )
    t.regex(frames[1]!.data, /"name":"kept"/)
    disk.heal()
    await running.service.ledger.recovered()
  }))

test('of another tenant nothing is told to who asks for one', t =>
  withSize(t, async world => {
    const network = (tenant: string) => ({
      method: 'POST',
      path: `/v1/networks?tenant=${tenant}`,
      body: { name: 'lan' }
    })
    for (const name of ['shop', 'bank']) {
      await world.ask({ method: 'POST', path: '/v1/tenants', body: { name } })
    }
    const frames: Frame[] = []
    for await (const frame of follow(world, { query: '?tenant=shop' })) {
      frames.push(frame)
      if (frames.length > 1) {
        if (frame.event === 'decision') break
        continue
      }
      await world.ask(network('bank'))
      const headers = { 'if-match': '*' }
      await world.ask({ method: 'DELETE', path: '/v1/networks/lan?tenant=bank', headers })
      await world.ask(network('shop'))
    }
    const said = frames.slice(1).map(({ data }) => data)
    t.is(said.length, 2)
    t.true(
      said.every(data => data.includes('shop') && !data.includes('bank')),
      said.join('\n')
    )
  }))
