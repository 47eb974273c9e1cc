import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import test from 'ava'
import { noSecret } from '../../../bootd/core/join-answer.ts'
import { madeUuids, sharedUuids } from '../../../shared/hardware-names.ts'
import { readJoinToken } from '../../../shared/wire/join-token.ts'
import { BootServer, tokenOf, until } from './boot-server.ts'
import { machine } from './plans.ts'

const known = `/boot.ipxe?uuid=${machine.uuid}&mac=52-54-00-77-00-01&arch=x86_64&platform=efi`
const stranger = '/boot.ipxe?uuid=11111111-2222-4333-8444-555555555555&mac=52-54-00-77-00-09'

test('a machine boots and joins', async t => {
  await using server = await BootServer.start()
  const { version, files } = server.image
  const script = await server.ask(known)
  const token = tokenOf(script.text)
  const image = `/images/${version}`
  t.is((await server.ask(`${image}/vmlinuz?token=${token}`)).text, files.vmlinuz.toString())
  t.deepEqual(
    (await server.ask(`${image}/root.squashfs?token=${token}`)).bytes,
    files['root.squashfs']
  )
  const tell = async (body: string) =>
    (await server.ask(`/v1/boots/${token}/progress`, { method: 'POST', body })).status
  t.is(await tell('stage=image&percent=40'), 204)
  t.like(server.boots.states()[0], { stage: 'image', percent: 40, name: 'host-1', version })
  const answer = await server.ask(`/v1/boots/${token}/join`)
  const { token: join, ...rest } = JSON.parse(answer.text)
  const { sshKeys } = server.plan
  t.deepEqual(rest, { name: 'host-1', uuid: machine.uuid, profile: 'host', version, sshKeys })
  t.is(readJoinToken(join).secret, machine.secret!)
  t.is(await tell('stage=agent'), 204)
  t.is(await tell('stage=joined'), 204)
  t.like(server.boots.states()[0], { stage: 'joined', failures: 0 })
  t.is((await server.ask(`/v1/boots/${token}/join`)).status, 403, 'its token is dead')
  t.is((await server.ask(`${image}/vmlinuz?token=${token}`)).status, 403)
  t.is(await tell('stage=joined'), 204, 'it may say so again')
})

test('a version that is looked at is asked for again, one that is not here is not', async t => {
  for (const [isUnchecked, status, text] of [
    [true, 503, 'that version is being looked at: come again\n'],
    [false, 404, 'that version is not here\n']
  ] as const) {
    const images = { file: () => undefined, isUnchecked: () => isUnchecked }
    await using server = await BootServer.start({ images })
    const token = tokenOf((await server.ask(known)).text)
    for (const name of ['manifest.json', `root.squashfs?token=${token}`]) {
      const answer = await server.ask(`/images/${server.image.version}/${name}`)
      t.like(answer, { status, text })
      t.is(answer.headers['retry-after'] !== undefined, isUnchecked)
    }
  }
})

test('the secret is that of the machine that the last card has chosen', async t => {
  await using server = await BootServer.start()
  const [machine] = server.plan.machines
  const { uuid: _, ...expected } = machine!
  const macs = ['52:54:00:77:00:0b']
  const mine = {
    ...expected,
    name: 'h7',
    macs,
    serial: 'S7',
    secret: 'the-secret-of-h7-alone'
  }
  server.plan = { ...server.plan, machines: [mine] }
  const asking = '/boot.ipxe?uuid=11111111-2222-4333-8444-555555555555&mac='
  for (const [mac, name, secret] of [
    ['52-54-00-77-00-0a', undefined, noSecret],
    ['52-54-00-77-00-0b', 'h7', mine.secret],
    ['52-54-00-77-00-0a', undefined, noSecret],
    ['52-54-00-77-00-0b', 'h7', mine.secret]
  ] as const) {
    const token = tokenOf((await server.ask(`${asking}${mac}`)).text)
    const said = JSON.parse((await server.ask(`/v1/boots/${token}/join`)).text)
    t.is(said.name, name)
    t.is(readJoinToken(said.token).secret, secret)
  }
})

test('a board without a UUID of its own is told and reported as the host it became', async t => {
  await using server = await BootServer.start()
  const [machine] = server.plan.machines
  const uuid = madeUuids({ serial: 'S-7' })[0]!
  const { serial: _, ...host } = machine!
  server.plan = { ...server.plan, machines: [{ ...host, uuid, macs: [] }] }
  const asking = `/boot.ipxe?uuid=${sharedUuids[0]}&serial=S-7&mac=52-54-00-77-00-0a`
  const token = tokenOf((await server.ask(asking)).text)
  const said = JSON.parse((await server.ask(`/v1/boots/${token}/join`)).text)
  t.like(said, { name: 'host-1', uuid })
  t.is(readJoinToken(said.token).secret, machine!.secret!)
  t.like(server.boots.states()[0], { uuid, serial: 'S-7', name: 'host-1' })
})

test('a stolen token is refused elsewhere, and that is told', async t => {
  await using server = await BootServer.start({ macs: { '127.0.0.3': '52:54:00:77:00:01' } })
  const token = tokenOf((await server.ask(known)).text)
  const from = '127.0.0.2'
  for (const [path, method] of [
    [`/v1/boots/${token}/join`, 'GET'],
    [`/images/${server.image.version}/root.squashfs?token=${token}`, 'GET'],
    [`/v1/boots/${token}/progress`, 'POST']
  ] as const) {
    const { status, text } = await server.ask(path, { from, method, body: 'stage=joined' })
    t.is(status, 403)
    t.is(text, 'the token is of another machine\n')
  }
  const told = 'its boot token was shown from 127.0.0.2 (no MAC is known), and refused'
  t.like(server.boots.states()[0], { stage: 'script', because: told })
  t.like(server.boots.states()[0]?.stolen, { from, mac: undefined, own: '127.0.0.1' })
  const moved = await server.ask(`/v1/boots/${token}/join`, { from: '127.0.0.3' })
  t.is(moved.status, 200, 'the same machine has another address now')
})

test('a new script ends the token of the one before', async t => {
  await using server = await BootServer.start()
  const [first, second] = [await server.ask(known), await server.ask(known)].map(one =>
    tokenOf(one.text)
  )
  t.not(first, second)
  t.is((await server.ask(`/v1/boots/${first}/join`)).status, 403)
  t.is((await server.ask(`/v1/boots/${second}/join`)).status, 200)
})

test('an unknown machine sees nothing secret', async t => {
  await using server = await BootServer.start()
  const script = await server.ask(stranger)
  const join = await server.ask(`/v1/boots/${tokenOf(script.text)}/join`)
  const { token, name } = JSON.parse(join.text)
  t.is(name, undefined)
  t.is(readJoinToken(token).secret, noSecret)
  for (const text of [script.text, join.text, JSON.stringify(readJoinToken(token))]) {
    for (const secret of [machine.secret!, server.plan.peerToken!, 'host-1']) {
      t.false(text.includes(secret), `${secret} in ${text}`)
    }
  }
  server.plan = {
    ...server.plan,
    unknown: { ...server.plan.unknown, secret: 'of-the-policy-0123' }
  }
  const later = await server.ask(`/v1/boots/${tokenOf(script.text)}/join`)
  t.is(readJoinToken(JSON.parse(later.text).token).secret, 'of-the-policy-0123')
})

test('a machine that was told to wait may ask on beyond its time, until it has joined', async t => {
  await using server = await BootServer.start()
  server.plan = { ...server.plan, joinWithinS: 3 }
  // Its time is over once that of the other one is, which begins later.
  const waiting = tokenOf((await server.ask(stranger)).text)
  const token = tokenOf((await server.ask(known)).text)
  const ask = (one: string) => server.ask(`/v1/boots/${one}/join`)
  const secretIn = ({ text }: { readonly text: string }) =>
    readJoinToken(JSON.parse(text).token).secret
  const uuid = '11111111-2222-4333-8444-555555555555'
  server.boots.progress(uuid, { stage: 'agent' })
  t.is(secretIn(await ask(waiting)), noSecret)
  t.is(secretIn(await ask(token)), machine.secret!)
  const isOver = () => {
    server.boots.expire()
    return server.boots.states().some(({ stage }) => stage === 'failed')
  }
  await until(isOver)
  t.is((await ask(token)).status, 403)
  t.is(secretIn(await ask(waiting)), noSecret)
  const expected = { ...machine, name: 'h7', uuid, macs: [], secret: 'x'.repeat(20) }
  server.plan = { ...server.plan, machines: [...server.plan.machines, expected] }
  t.is(secretIn(await ask(waiting)), expected.secret)
  t.is((await server.ask(`/v1/boots/${waiting}/peers`)).status, 403)
  server.boots.progress(uuid, { stage: 'joined' })
  t.is((await ask(waiting)).status, 403)
})

test('a shell gets keys of operators and no way to join', async t => {
  await using server = await BootServer.start()
  const [host] = server.plan.machines
  server.plan = { ...server.plan, machines: [{ ...host!, profile: 'rescue' }] }
  const token = tokenOf((await server.ask(known)).text)
  const { token: join, sshKeys } = JSON.parse((await server.ask(`/v1/boots/${token}/join`)).text)
  t.is(join, undefined)
  t.deepEqual(sshKeys, server.plan.sshKeys)
})

test('files need a token, but for the manifest and its signature', async t => {
  await using server = await BootServer.start()
  const image = `/images/${server.image.version}`
  for (const [path, status] of [
    [`${image}/manifest.json`, 200],
    [`${image}/manifest.json.sig`, 200],
    [`${image}/root.squashfs`, 403],
    [`${image}/root.squashfs?token=${'x'.repeat(43)}`, 403],
    [`${image}/root.squashfs?token=${server.plan.peerToken}`, 200],
    [`/images/${'0'.repeat(16)}/manifest.json`, 404],
    [`${image}/boot.efi?token=${server.plan.peerToken}`, 404],
    [`${image}/../../boot-plan.json`, 404],
    [`${image}/%2e%2e/boot-plan.json`, 404],
    ['/firmware/..', 404],
    ['/', 404]
  ] as const) {
    t.is((await server.ask(path)).status, status, path)
  }
})

test('parts of files are sent, and nothing of what is there already', async t => {
  await using server = await BootServer.start()
  const path = `/images/${server.image.version}/root.squashfs?token=${server.plan.peerToken}`
  const all = server.image.files['root.squashfs']
  const whole = await server.ask(path)
  const etag = String(whole.headers['etag'])
  t.deepEqual(whole.bytes, all)
  const size = all.length
  for (const [headers, status, from, to] of [
    [{ range: 'bytes=0-0' }, 206, 0, 0],
    [{ range: 'bytes=299990-' }, 206, 299_990, size - 1],
    [{ range: 'bytes=-5' }, 206, size - 5, size - 1],
    [{ range: 'bytes=1000-1999', 'if-range': etag }, 206, 1_000, 1_999],
    [{ range: 'bytes=1000-1999', 'if-range': '"other"' }, 200, 0, size - 1],
    [{ range: 'bytes=5-2' }, 200, 0, size - 1],
    [{ range: 'bytes=0-1,5-6' }, 200, 0, size - 1],
    [{ range: `bytes=${size}-` }, 416, 0, -1],
    [{ 'if-none-match': `"x", ${etag}` }, 304, 0, -1],
    [{ 'if-none-match': '"x"' }, 200, 0, size - 1]
  ] as const) {
    const { status: got, bytes, headers: said } = await server.ask(path, { headers })
    t.is(got, status, JSON.stringify(headers))
    if (status === 206) t.is(said['content-range'], `bytes ${from}-${to}/${size}`)
    if (status === 200 || status === 206) t.deepEqual(bytes, all.subarray(from, to + 1))
  }
  const head = await server.ask(path, { method: 'HEAD' })
  t.is(head.headers['content-length'], String(size))
  t.is(head.bytes.length, 0)
})

test('of many that fetch at once all get everything, one after another', async t => {
  await using server = await BootServer.start({ transfersMax: 2, rootBytes: 1_500_000 })
  const path = `/images/${server.image.version}/root.squashfs?token=${server.plan.peerToken}`
  const all = server.image.files['root.squashfs']
  const froms = Array.from({ length: 24 }, (_, index) => `127.0.1.${(index % 12) + 1}`)
  const answers = await Promise.all(froms.map(from => server.ask(path, { from })))
  t.true(answers.every(({ status, bytes }) => status === 200 && bytes.equals(all)))
})

test('what is too long, late or unreadable is cut off, and others are served', async t => {
  const bounds = { headMsMax: 300, requestMsMax: 600 }
  await using server = await BootServer.start({ bounds })
  const token = tokenOf((await server.ask(known)).text)
  const port = Number(new URL(server.http.url).port)
  const raw = async (bytes: string, from: string) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from })
    socket.on('error', () => {})
    socket.write(bytes)
    return await textOf(socket).catch(() => '')
  }
  const head = `POST /v1/boots/${token}/progress HTTP/1.1\r\nhost: x\r\n`
  // The first two never end what they say.
  t.regex(await raw('GET /boot.ipxe HTTP/1.1\r\nhost: x\r\nx-', '127.0.0.4'), /^(HTTP\/1.1 408|$)/)
  t.regex(await raw(`${head}content-length: 900\r\n\r\nstage=`, '127.0.0.1'), /^(HTTP\/1.1 408|$)/)
  t.regex(await raw(`GET /${'a'.repeat(9_000)} HTTP/1.1\r\n\r\n`, '127.0.0.4'), /^$/)
  t.regex(await raw(`GET /${'a'.repeat(3_000)} HTTP/1.1\r\n\r\n`, '127.0.0.4'), /^HTTP\/1.1 414/)
  t.regex(await raw('\u0000\u0001\r\n\r\n', '127.0.0.4'), /^$/)
  const long = await server.ask(`/v1/boots/${token}/progress`, {
    ...{ method: 'POST', body: `stage=image&because=${'x'.repeat(5_000)}` }
  })
  t.is(long.status, 400)
})

test('one address holds only so many connections', async t => {
  await using server = await BootServer.start({ bounds: { connectionsOfOneMax: 8 } })
  const port = Number(new URL(server.http.url).port)
  const open = async () => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.5' })
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const held: Socket[] = []
  for (let count = 0; count < 8; count += 1) held.push(await open())
  t.is(
    (await server.ask('/boot.ipxe', { from: '127.0.0.5' }).catch(() => undefined))?.status,
    undefined
  )
  t.is((await server.ask('/boot.ipxe')).status, 200, 'another address is served')
  for (const socket of held) socket.destroy()
})
