import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { answerMsMax, isLive, upgraded } from '../../../controller/io/passing.ts'

const json = { 'content-type': 'application/json' }

for (const [title, headers, expected] of [
  ['an answer is waited for as long as a session lasts, and a connection takes', json, 6_000],
  ['who asks to wait longer is waited for longer', { ...json, prefer: 'wait=30' }, 36_000],
  ['nobody is waited for without end', { ...json, prefer: 'wait=99999' }, 310_000],
  ['an upload takes its time', { 'content-type': 'application/octet-stream' }, 310_000]
] as const) {
  test(title, t => {
    t.is(answerMsMax(headers, { sessionMs: 4_000, uploadMsMax: 310_000 }), expected)
  })
}

for (const [method, url, isOfController] of [
  ['GET', '/v1/hosts', true],
  ['GET', '/v1/hosts/h1/history?limit=5', true],
  ['GET', '/v1/balance', true],
  ['GET', '/v1/bmcs', true],
  ['GET', '/v1/events', true],
  ['GET', '/v1/cluster/candidates', true],
  ['GET', '/v1/what-is-made-tomorrow', true],
  ['GET', '/v1/tenants/acme', false],
  ['GET', '/v1/placement', false],
  ['GET', '/v1/cluster', false],
  ['GET', '/v1', false],
  ['GET', '/metrics', false],
  ['PATCH', '/v1/placement', true],
  ['OPTIONS', '/v1/hosts', false]
] as const) {
  const who = isOfController ? 'the controller alone' : 'every candidate'
  test(`${method} ${url} is answered by ${who}`, t => {
    t.is(isLive(method, url), isOfController)
  })
}

/** A request for an upgrade to a server that answers it so. */
async function upgrading(t: ExecutionContext, answer: string, msMax: number) {
  t.timeout(60_000)
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => void (answer !== '' && socket.write(answer)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { readonly port: number }
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = new PassThrough()
  socket.on('data', bytes => resolve(String(bytes)))
  const fail = (cause: unknown): void => resolve(String(cause))
  const headers = { connection: 'Upgrade', upgrade: 'websocket' }
  const sent = request({ host: '127.0.0.1', port, headers, createConnection: () => connect(port) })
  upgraded(sent, { socket, head: Buffer.alloc(0), fail, msMax })
  return { first: await promise, socket }
}

test('an upgrade that nobody answers is given up at its deadline', async t => {
  const { first } = await upgrading(t, '', 20)
  t.is(first, 'Error: no answer within 20 ms')
})

for (const [what, answer] of [
  [
    'granted',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'
  ],
  ['refused', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno']
] as const) {
  test(`an upgrade that is ${what} is passed on as it is`, async t => {
    const { first } = await upgrading(t, answer, 30_000)
    t.true(first.startsWith(answer.slice(0, 12)), first)
  })
}
