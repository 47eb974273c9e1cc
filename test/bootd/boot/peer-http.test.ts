/** How a host serves its image to another: bootd, the program on the host, and who asks both. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { truncate } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { PeerHttp, type PeerHttpOptions } from '../../../bootd/io/boot/peer-http.ts'
import { readPeerWords, rootOf } from '../../../bootd/io/boot/peer-words.ts'
import { realClock } from '../../../shared/clock.ts'
import { silentLog } from '../../../shared/log.ts'
import { peersKeyOf, ticketOf } from '../../../shared/wire/boot-secret.ts'
import { type Answer, BootServer, tokenOf, until } from './boot-server.ts'
import { machine } from './plans.ts'

const program = join(import.meta.dirname, '../../../bootd/peer.ts')
const key = 'key-of-a-host-0123456789'

/** Asks a host on loopback as who has this address; gives what came, whole or not. */
async function ask(
  url: string,
  given: {
    readonly from?: string
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
  } = {}
): Promise<Answer> {
  const { from = '127.0.0.1', method = 'GET', headers = {} } = given
  const asking = request(url, { method, headers, localAddress: from, agent: false }).end()
  const [response] = await once(asking, 'response')
  const bytes: Buffer = Buffer.concat(await response.toArray())
  const { statusCode: status = 0, headers: said } = response
  return { status, headers: said, bytes, text: bytes.toString() }
}

type Served = {
  readonly http: PeerHttp
  readonly root: Buffer
  /** With a ticket for an address. */
  readonly urlFor: (address: string) => string
}

/** A host that serves the version of a server of boots. */
async function serve(
  server: BootServer,
  options: Partial<PeerHttpOptions> = {}
): Promise<Served & AsyncDisposable> {
  const { version, folder, files } = server.image
  const http = await PeerHttp.open({
    ...{ address: '127.0.0.1', port: 0, version, key, file: await rootOf(folder, version) },
    ...{ clock: realClock, log: silentLog },
    ...options
  })
  const urlFor = (address: string): string => {
    const untilS = Math.floor(Date.now() / 1_000) + 600
    const ticket = ticketOf(key, { version, address, untilS })
    return `http://127.0.0.1:${http.port}/images/${version}/root.squashfs?token=${ticket}`
  }
  return {
    ...{ http, root: files['root.squashfs'], urlFor },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]()
  }
}

test('a host serves its root, whole and in parts, to who has a ticket', async t => {
  await using server = await BootServer.start()
  await using served = await serve(server)
  const { root, urlFor } = served
  const url = urlFor('127.0.0.1')
  const whole = await ask(url)
  t.is(whole.status, 200)
  t.true(whole.bytes.equals(root))
  for (const [range, status, from, to] of [
    ['bytes=0-0', 206, 0, 0],
    ['bytes=299990-', 206, 299_990, root.length - 1],
    ['bytes=-5', 206, root.length - 5, root.length - 1]
  ] as const) {
    const part = await ask(url, { headers: { range } })
    t.is(part.status, status)
    t.is(part.headers['content-range'], `bytes ${from}-${to}/${root.length}`)
    t.true(part.bytes.equals(root.subarray(from, to + 1)), range)
  }
  t.is((await ask(url, { headers: { range: `bytes=${root.length}-` } })).status, 416)
  const head = await ask(url, { method: 'HEAD' })
  t.like(head, { status: 200, text: '' })
  t.is(head.headers['content-length'], String(root.length))
})

test('who has no ticket of its own gets nothing, and there is nothing else', async t => {
  await using server = await BootServer.start()
  await using served = await serve(server)
  const url = served.urlFor('127.0.0.1')
  t.is((await ask(url, { from: '127.0.0.2' })).status, 403)
  t.is((await ask(served.urlFor('127.0.0.2'), { from: '127.0.0.2' })).status, 200)
  t.is((await ask(url.replace(/token=\d+/, 'token=9999999999'))).status, 403)
  t.is((await ask(url.replace(/\?.*/, ''))).status, 403)
  t.is((await ask(url.replace('root.squashfs', 'manifest.json'))).status, 404)
  t.is((await ask(url, { method: 'POST' })).status, 405)
})

test('who comes while it is busy is told at once to go elsewhere, and others get all', async t => {
  await using server = await BootServer.start({ rootBytes: 3_000_000 })
  // So slow that the first is sent until it is told to end.
  await using served = await serve(server, { bounds: { transfersMax: 1, bytesPerS: 1_000 } })
  const url = served.urlFor('127.0.0.1')
  const first = request(url, { agent: false }).end()
  first.on('error', () => {})
  const [response] = await once(first, 'response')
  await once(response, 'data')
  const second = await ask(url)
  t.is(second.status, 503)
  t.is(second.headers['retry-after'], '10')
  t.is(second.text, 'too many fetch at once: ask another\n')
  t.is(second.headers['content-length'], String(second.bytes.length))
  t.is((await ask(url, { method: 'HEAD' })).status, 200, 'its length is told all the same')
  first.destroy()
  let status = 503
  // The place is given back once the connection is seen to be gone.
  while (status === 503) {
    const third = request(url, { agent: false, headers: { range: 'bytes=0-9' } }).end()
    const [answer] = await once(third, 'response')
    status = answer.statusCode
    answer.resume()
  }
  t.is(status, 206)
})

test('one address has few connections, and none that says nothing for ever', async t => {
  await using server = await BootServer.start()
  const bounds = { connectionsOfOneMax: 2, headMsMax: 500 }
  await using served = await serve(server, { bounds })
  const url = new URL(served.urlFor('127.0.0.1'))
  const sockets = [1, 2, 3].map(() => connect(Number(url.port), '127.0.0.1'))
  // All end, the third since it is one too many; who asks then is answered.
  await Promise.all(sockets.map(socket => once(socket.on('error', () => {}).resume(), 'close')))
  let status = 0
  // The host may see later than we that they are over.
  while (status === 0) status = (await ask(url.href).catch(() => ({ status: 0 }))).status
  t.is(status, 200)
})

const known = `/boot.ipxe?uuid=${machine.uuid}&mac=52-54-00-77-00-01&arch=x86_64&platform=efi`
const otherUuid = '4c4c4544-0042-3510-8052-b4c04f4e3999'

/** Starts the program of a host with what its scripts give it. */
function start(t: ExecutionContext, server: BootServer, words: object) {
  const child = spawn(process.execPath, [program, server.image.folder])
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.end(JSON.stringify(words))
  let soFar = ''
  child.stderr.on('data', (part: Buffer) => {
    soFar += part
  })
  const over = Promise.all([once(child, 'exit'), text(child.stderr)])
  const state = (): string => `exit ${child.exitCode}, signal ${child.signalCode}: ${soFar}`
  return { child, over, state, says: (line: string) => soFar.includes(line) }
}

test('a host that has joined serves its image to the next one that boots', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { version, files } = server.image
  const peersKey = peersKeyOf('boot key')
  const [host] = server.plan.machines
  const other = { ...host!, name: 'host-2', uuid: otherUuid, serial: 'B5RN13', macs: [] }
  server.plan = { ...server.plan, machines: [host!, other], peers: { key: peersKey } }
  const first = tokenOf((await server.ask(known)).text)
  const told = JSON.parse((await server.ask(`/v1/boots/${first}/join`)).text)
  await server.ask(`/v1/boots/${first}/progress`, { method: 'POST', body: 'stage=joined' })
  const from = '127.0.0.2'
  const script = await server.ask(`/boot.ipxe?uuid=${otherUuid}`, { from })
  const second = tokenOf(script.text)
  const peers = async (): Promise<readonly string[]> => {
    const said = await server.ask(`/v1/boots/${second}/peers`, { from })
    t.is(said.status, 200)
    return said.text.split('\n').filter(line => line !== '')
  }
  t.deepEqual(await peers(), [], 'nobody has said that it serves')
  t.is((await server.ask(`/v1/boots/${first}/peers`)).status, 403, 'its boot is over')
  const words = { ...told.peer, port: 0, url: server.http.url, boot: first, version }
  const asHost = { ...words, address: '127.0.0.1', profile: 'host' }
  const { child, over, says, state } = start(t, server, asHost)
  await until(() => server.boots.states().some(({ serves }) => serves !== undefined), state)
  const [url, ...more] = await peers()
  t.deepEqual(more, [])
  const place = `/images/${version}/root.squashfs?token=`
  t.true(url!.startsWith('http://127.0.0.1:') && url!.includes(place), url)
  const got = await ask(url!, { from })
  t.is(got.status, 200)
  t.true(got.bytes.equals(files['root.squashfs']))
  t.is((await ask(url!, { from: '127.0.0.3' })).status, 403, 'the ticket is of another machine')
  const because = 'badPeer=127.0.0.1&because=other'
  await server.ask(`/v1/boots/${second}/progress`, {
    ...{ from, method: 'POST', body: `stage=image&${because}` }
  })
  t.deepEqual(await peers(), [], 'who has sent something else is named no more')
  t.like(server.boots.states()[0], { name: 'host-2', stage: 'image', because: 'other' })
  server.plan = { ...server.plan, machines: [host!] }
  // Who closes once it has all may be gone before the host sees that it was sent: that is not said.
  const sent = '"has sent its image"'
  for (let time = 0; time < 50 && !says(sent); time += 1) {
    t.is((await ask(url!, { from })).status, 200)
    await realClock.sleep(100)
  }
  child.kill('SIGTERM')
  const [[code], said] = await over
  t.is(code, 0, said)
  t.regex(said, /"message":"serves its image"/)
  t.regex(said, /"message":"has sent its image","address":"127\.0\.0\.2"/)
  t.false(said.includes(told.peer.key))
})

test('a host whose boot is not known any more does not go on serving', async t => {
  t.timeout(60_000)
  await using server = await BootServer.start()
  const { version } = server.image
  const words = { key, port: 0, url: server.http.url, boot: 'T'.repeat(43), version }
  const [[code], said] = await start(t, server, { ...words, address: '127.0.0.1' }).over
  t.is(code, 0, said)
  t.regex(said, /"message":"bootd names this host to nobody"/)
})

test('it serves nothing but what its manifest says, and not without being told how', async t => {
  await using server = await BootServer.start()
  const { version, folder } = server.image
  t.like(await rootOf(folder, version), { bytes: 300_000 })
  await t.throwsAsync(rootOf(folder, '0'.repeat(16)), { message: /it is version/ })
  await truncate(join(folder, 'root.squashfs'), 10)
  await t.throwsAsync(rootOf(folder, version), { message: /its root has another length/ })
  for (const text of ['', 'null', '{}', '{"key":"k","port":7481,"url":"ftp://x"}']) {
    t.throws(() => readPeerWords(text), { message: /what it is told is wrong/ })
  }
})
