/**
 * The nine known defects of the package that we take the codec of. Each is shown with a server of
 * which only the bytes are there, and named by its title.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { type Answer, SessionClient, shuffled } from '#shared/zookeeper/client.ts'
import { mayHaveHappened } from '#shared/zookeeper/faults.ts'
import { kernelMs } from '#shared/zookeeper/mail.ts'
import {
  decodeRead,
  digestOf,
  encodeRead,
  encodeSync,
  encodeTransaction
} from '#shared/zookeeper/packets.ts'
import type { Version } from '#shared/zookeeper/session.ts'
import { kinds, packet, RawZooKeeper, readReply } from '../../world/raw-zookeeper.ts'

const untilMsMax = 60_000

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + untilMsMax
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it did not come about in ${untilMsMax} ms`)
    await sleep(5)
  }
}

type Heard = { ended: Fault | undefined; server: string | undefined; missed: number }

/** A client of these servers, in this order, that is closed with the test. */
function clientOf(
  t: ExecutionContext,
  servers: readonly RawZooKeeper[],
  sessionMs = 12_000
): { readonly client: SessionClient; readonly heard: Heard } {
  const heard: Heard = { ended: undefined, server: undefined, missed: 0 }
  const client = new SessionClient({
    servers: servers.map(({ address }) => address),
    sessionMs,
    secret: 'user:password',
    tls: undefined,
    // Leaves the order as it is.
    random: () => 0.999_999,
    now: kernelMs,
    log: silentLog,
    heard: {
      changed: () => {},
      missed: () => heard.missed++,
      server: server => {
        heard.server = server
      },
      lease: () => {},
      ended: because => {
        heard.ended = because
      }
    }
  })
  t.teardown(() => client.close())
  return { client, heard }
}

const raw = async (t: ExecutionContext): Promise<RawZooKeeper> => {
  const server = await new RawZooKeeper().listen()
  t.teardown(() => server[Symbol.asyncDispose]())
  return server
}

const ask = (client: SessionClient, frame: Buffer): Promise<Answer> =>
  new Promise(resolve => client.request(frame, [], resolve))

const becauseOf = (answer: Answer): Fault => {
  if ('because' in answer) return answer.because
  throw new Error('it was answered')
}

test('defect 1: version 0 in a transaction is 0 on the wire, and only "any" is any', t => {
  const digest = digestOf('user:password')
  const versionOn = (version: Version, op: 'check' | 'remove' | 'set') => {
    const part = { op, path: '/a', version, bytes: Buffer.from('x') } as const
    const frame = encodeTransaction([part], digest)
    // length 4 | number 4 | kind 4 | head of the part 9 | path 4 + 2 | bytes 4 + 1 of a set | …
    return frame.readInt32BE(21 + 6 + (op === 'set' ? 5 : 0))
  }
  for (const op of ['check', 'remove', 'set'] as const) {
    t.deepEqual([versionOn(0, op), versionOn(7, op), versionOn('any', op)], [0, 7, -1], op)
  }
})

test('defect 2: a server that falls silent is left for another, with the same session', async t => {
  const [silent, other] = [await raw(t), await raw(t)]
  silent.answer = () => undefined
  silent.consent = 6_000
  const { client, heard } = clientOf(t, [silent, other], 6_000)
  await client.open()
  t.is(heard.server, silent.address)
  const because = becauseOf(await ask(client, encodeRead('/a')))
  t.true(mayHaveHappened(because), because.message)
  await until(() => heard.server === other.address)
  t.deepEqual(other.greeted, [silent.session])
  t.true('frame' in (await ask(client, encodeRead('/a'))))
  t.is(heard.ended, undefined)
})

test('defect 3: a server that connects but never consents is left for another', async t => {
  const [silent, other] = [await raw(t), await raw(t)]
  silent.consent = 'silent'
  const { client, heard } = clientOf(t, [silent, other], 4_000)
  await client.open()
  t.deepEqual([silent.greeted.length, other.greeted.length], [1, 1])
  t.is(heard.server, other.address)
})

test('defect 4: half a packet of a connection that is gone is forgotten', async t => {
  const server = await raw(t)
  server.answer = ({ number, connection }) => {
    const reply = readReply(number, 'x'.repeat(9_000))
    if (connection > 1) return reply
    setTimeout(() => server.drop(), 50)
    return reply.subarray(0, 4_000)
  }
  const { client, heard } = clientOf(t, [server])
  await client.open()
  t.true(mayHaveHappened(becauseOf(await ask(client, encodeRead('/a')))))
  await until(() => heard.server !== undefined)
  const answer = await ask(client, encodeRead('/a'))
  t.is('frame' in answer && decodeRead(answer.frame, '/a')?.bytes.length, 9_000)
})

test('defect 5: everybody is told when the session ends, whatever they waited for', async t => {
  const server = await raw(t)
  server.answer = () => undefined
  const { client, heard } = clientOf(t, [server])
  await client.open()
  const answers = Array.from({ length: 100 }, () => ask(client, encodeRead('/a')))
  await until(() => server.requests.length === 100)
  server.consent = 'expired'
  server.drop()
  for (const answer of answers) t.true(mayHaveHappened(becauseOf(await answer)))
  await until(() => heard.ended !== undefined)
  t.regex(heard.ended!.message, /expired/)
})

test('defect 6: thousands of watches come back one by one, in no large packet', async t => {
  const server = await raw(t)
  const { client, heard } = clientOf(t, [server])
  await client.open()
  const paths = Array.from({ length: 2_000 }, (_, index) => `/w/${'x'.repeat(90)}${index}`)
  for (const path of paths) client.watch(path)
  const watchesOn = (connection: number) =>
    server.requests.filter(each => each.kind === kinds.watch && each.connection === connection)
  await until(() => watchesOn(1).length === paths.length)
  server.drop()
  const last = () => server.greeted.length
  await until(() => last() > 1 && watchesOn(last()).length === paths.length)
  t.true(Math.max(...server.requests.map(({ frame }) => frame.length)) < 1_024)
  t.is(heard.missed, 1, 'what was missed meanwhile is told')
  t.true(last() < 5, 'it does not connect again and again')
})

test('defect 7: an expired session stays expired, and another is another object', async t => {
  const server = await raw(t)
  const { client, heard } = clientOf(t, [server])
  const { id } = await client.open()
  server.consent = 'expired'
  server.drop()
  await until(() => heard.ended !== undefined)
  for (const _ of [1, 2]) {
    const because = becauseOf(await ask(client, encodeRead('/a')))
    t.is(because.code, 'closed')
    t.false(mayHaveHappened(because))
  }
  server.consent = 12_000
  server.session = 0x5678n
  const next = clientOf(t, [server])
  t.not((await next.client.open()).id, id)
  t.is(server.greeted.at(-1), 0n, 'it asks for a session of its own')
})

test('defect 8: what is asked while nobody is connected is never sent later', async t => {
  const server = await raw(t)
  const { client, heard } = clientOf(t, [server])
  await client.open()
  server.consent = 'silent'
  server.drop()
  await until(() => heard.server === undefined)
  const because = becauseOf(await ask(client, encodeRead('/never')))
  t.is(because.code, 'unavailable')
  t.false(mayHaveHappened(because))
  server.consent = 12_000
  await until(() => heard.server !== undefined)
  await ask(client, encodeRead('/later'))
  const reads = server.requests.filter(({ kind }) => kind === kinds.read)
  t.deepEqual(
    reads.map(({ frame }) => frame.toString('utf8', 16, frame.length - 1)),
    ['/later']
  )
})

test('defect 9: there is a sync, 64 bits stay 64 bits, and chance is the caller’s', async t => {
  const server = await raw(t)
  const stat = 0x7654_3210_fedc_ba98n
  server.answer = ({ number, kind }) =>
    kind === kinds.read ? readReply(number, 'x', stat) : packet(number, 7n, 0, '/a')
  const { client } = clientOf(t, [server])
  await client.open()
  const synced = ask(client, encodeSync('/a'))
  const answer = await ask(client, encodeRead('/a'))
  t.true('frame' in (await synced))
  t.deepEqual(
    server.requests.map(({ kind }) => kind),
    [kinds.sync, kinds.read]
  )
  t.is('frame' in answer && decodeRead(answer.frame, '/a')?.stat.created, stat)
  t.deepEqual(
    shuffled([1, 2, 3, 4], () => 0),
    [2, 3, 4, 1]
  )
  t.deepEqual(
    shuffled([1, 2, 3, 4], () => 0.99),
    [1, 2, 3, 4]
  )
})

test('a server that says what cannot be is left', async t => {
  const cases: readonly (readonly [string, (number: number) => Buffer])[] = [
    ['a length below 0', () => Buffer.from('ffffffff', 'hex')],
    ['a length of 2 GiB', () => Buffer.from('7fffffff', 'hex')],
    ['the number of no request', number => packet(number + 1, 7n, 0)],
    ['a reply without a head', () => packet(1)]
  ]
  for (const [what, answer] of cases) {
    const server = await raw(t)
    server.answer = ({ number, connection }) =>
      connection === 1 ? answer(number) : packet(number, 7n, 0)
    const { client, heard } = clientOf(t, [server])
    await client.open()
    t.true(mayHaveHappened(becauseOf(await ask(client, encodeRead('/a')))), what)
    await until(() => heard.server !== undefined)
    t.true('frame' in (await ask(client, encodeRead('/a'))), what)
  }
})

test('no session is opened where no server consents, and each says why', async t => {
  const server = await raw(t)
  const { address } = server
  await server[Symbol.asyncDispose]()
  const gone = { address } as RawZooKeeper
  const { client } = clientOf(t, [gone, gone])
  const fault = await t.throwsAsync(client.open(), { instanceOf: Fault })
  t.is(fault?.code, 'unavailable')
  t.is(fault?.reasons.length, 2)
  t.regex(fault!.reasons[0]!, /ECONNREFUSED/)
})
