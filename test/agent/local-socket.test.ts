import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import { LocalSocket, type Pages } from '../../agent/io/local-socket.ts'

async function listen(t: ExecutionContext, pages: Pages): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-socket-'))
  const path = join(folder, 'run/agent.sock')
  const socket = await LocalSocket.open(path, pages)
  t.teardown(async () => {
    await socket[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  return path
}

const ask = (socketPath: string, path: string, method = 'GET') =>
  new Promise<{ status: number; type: string; body: Record<string, unknown> }>(
    (resolve, reject) => {
      const asking = request({ socketPath, path, method }, async response => {
        const text = (await response.toArray()).join('')
        const type = String(response.headers['content-type'])
        resolve({ status: response.statusCode ?? 0, type, body: JSON.parse(text) })
      })
      asking.once('error', reject)
      asking.end()
    }
  )

test('a page shows what is so when it is asked', async t => {
  let count = 0
  const path = await listen(t, { '/status': () => ({ count: ++count }) })
  t.deepEqual((await ask(path, '/status')).body, { count: 1 })
  t.deepEqual((await ask(path, '/status?x=1')).body, { count: 2 })
})

test('only its owner may open it, and nothing else is left beside it', async t => {
  const path = await listen(t, {})
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(path, '..')), ['agent.sock'])
})

for (const [method, path] of [
  ['GET', '/'],
  ['GET', '/toString'],
  ['POST', '/status'],
  ['DELETE', '/status']
] as const) {
  test(`${method} ${path} is answered with what can be asked`, async t => {
    const socket = await listen(t, { '/status': () => ({}) })
    const { status, type, body } = await ask(socket, path, method)
    t.is(status, 404)
    t.is(type, 'application/problem+json')
    t.is(body['detail'], `cannot ${method} ${path}: the agent shows only /status`)
  })
}

test('a page that cannot be shown says why and what to do', async t => {
  const path = await listen(t, {
    '/desired': () => {
      throw new Fault('unavailable', 'cannot show it: no order has come', { next: ['wait'] })
    }
  })
  const { status, body } = await ask(path, '/desired')
  t.is(status, 503)
  t.like(body, { detail: 'cannot show it: no order has come', next: ['wait'] })
})

test('a socket that a killed agent has left behind is replaced', async t => {
  const path = await listen(t, { '/status': () => ({ by: 'first' }) })
  const second = await LocalSocket.open(path, { '/status': () => ({ by: 'second' }) })
  t.teardown(() => second[Symbol.asyncDispose]())
  t.deepEqual((await ask(path, '/status')).body, { by: 'second' })
})

test('after its end nobody answers and the file is gone', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-socket-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const socket = await LocalSocket.open(join(folder, 's'), { '/status': () => ({}) })
  await socket[Symbol.asyncDispose]()
  t.deepEqual(await readdir(folder), [])
})
