import { once } from 'node:events'
import test from 'ava'
import type { Connection } from '../../../agent/io/libvirt/connection.ts'
import { openConnection } from '../../../agent/io/libvirt/open.ts'
import { type Packet, packetStatus, packetType } from '../../../agent/io/libvirt/packet.ts'
import { procedures } from '../../../agent/io/libvirt/procedures.ts'
import type { RemoteStream } from '../../../agent/io/libvirt/stream.ts'
import {
  encodeRefusal,
  type Peer,
  Refusal,
  type SmallServer,
  type SmallServerOptions,
  startSmallServer
} from './small-server.ts'

type Setting = AsyncDisposable & {
  readonly server: SmallServer
  readonly connection: Connection
  readonly stream: RemoteStream
  /** Sends a packet of the stream. */
  readonly send: (status: number, body?: Uint8Array) => void
}

const vol = { pool: 'p', name: 'v', key: 'k' }
const procedure = procedures.storageVolUpload.number

async function setUp(
  onPacket: NonNullable<SmallServerOptions['onPacket']>,
  callMs = 30_000
): Promise<Setting> {
  const server = await startSmallServer({ onPacket })
  const socketPath = server.path
  const limits = { callMs }
  const connection = await openConnection({ socketPath, uri: 'qemu:///system', limits })
  const args = { vol, offset: 0n, length: 0n, flags: 0 }
  const stream = await connection.stream('storageVolUpload', args, { what: 'fill the volume' })
  return {
    server,
    connection,
    stream,
    send: (status, body) => {
      const [peer] = [...server.peers]
      peer!.send({ procedure, type: packetType.stream, serial: 3, status }, body)
    },
    async [Symbol.asyncDispose]() {
      connection.close()
      await server[Symbol.asyncDispose]()
    }
  }
}

/** Ends a stream as libvirtd does, when we have ended it. */
function finish(packet: Packet, peer: Peer): void {
  if (packet.status === packetStatus.ok) {
    peer.send({ ...packet, status: packetStatus.ok })
  }
}

test('what is written arrives in pieces that libvirtd takes, then the end', async t => {
  const received: Packet[] = []
  await using setting = await setUp((packet, peer) => {
    received.push(packet)
    finish(packet, peer)
  })
  const sent = Buffer.alloc(600_000, 'abcdefg')
  setting.stream.write(sent.subarray(0, 10))
  setting.stream.end(sent.subarray(10))
  await once(setting.stream, 'finish')
  const pieces = received.filter(({ status }) => status === packetStatus.continue)
  t.true(Buffer.concat(pieces.map(({ body }) => body)).equals(sent))
  t.deepEqual(
    pieces.map(({ body }) => body.length),
    [10, 262_120, 262_120, 75_750]
  )
  t.like(received.at(-1), { type: packetType.stream, procedure, serial: 3, status: 0 })
  t.is(received.at(-1)?.body.length, 0)
})

test('what libvirtd sends is read, and its empty packet is the end', async t => {
  await using setting = await setUp(finish)
  setting.send(packetStatus.continue, Buffer.from('abc'))
  setting.send(packetStatus.continue, Buffer.from('def'))
  setting.send(packetStatus.continue)
  t.is(Buffer.concat(await setting.stream.toArray()).toString(), 'abcdef')
})

test('what libvirtd sends before its reply is not lost', async t => {
  const early = Buffer.alloc(200_000, 'x')
  await using server = await startSmallServer({
    answers: {
      storageVolDownload: (_args, peer, { procedure, serial }) => {
        const header = { procedure, type: packetType.stream, serial }
        for (const body of [early, early, Buffer.alloc(0)]) {
          peer.send({ ...header, status: packetStatus.continue }, body)
        }
        return undefined
      }
    },
    onPacket: finish
  })
  const options = { socketPath: server.path, uri: 'qemu:///system' }
  await using connection = await openConnection(options)
  const args = { vol, offset: 0n, length: 0n, flags: 0 }
  const stream = await connection.stream('storageVolDownload', args)
  t.is(Buffer.concat(await stream.toArray()).length, 400_000)
})

test('a stream that libvirtd breaks off fails with its reason', async t => {
  await using setting = await setUp(() => {})
  setting.send(packetStatus.error, encodeRefusal(new Refusal(38, 'disk full')))
  await t.throwsAsync(setting.stream.toArray(), {
    code: 'hypervisor',
    message: 'cannot fill the volume: the stream broke off: disk full'
  })
  t.is(setting.connection.fault, undefined)
})

test('an end that libvirtd refuses is a failure: not all was stored', async t => {
  await using setting = await setUp((packet, peer) => {
    if (packet.status !== packetStatus.ok) return
    peer.send(
      { ...packet, status: packetStatus.error },
      encodeRefusal(new Refusal(38, 'disk full'))
    )
  })
  setting.stream.end('abc')
  const [error] = await once(setting.stream, 'error')
  t.regex(error.message, /cannot fill the volume: .* disk full/)
})

test('an end that libvirtd never confirms is a fault at the deadline', async t => {
  await using setting = await setUp(() => {}, 1_000)
  setting.stream.end('abc')
  const [error] = await once(setting.stream, 'error')
  t.is(error.code, 'deadline')
  t.regex(error.message, /no end within 1000 ms/)
})

test('a stream that we destroy is broken off, and what was on its way is dropped', async t => {
  const broken = Promise.withResolvers<Packet>()
  await using setting = await setUp(broken.resolve)
  setting.stream.destroy()
  t.like(await broken.promise, { type: packetType.stream, status: packetStatus.error, serial: 3 })
  setting.send(packetStatus.continue, Buffer.from('late'))
  setting.send(packetStatus.ok)
  await setting.connection.call('authList', undefined)
  t.is(setting.connection.fault, undefined)
})

test('when the connection dies its streams fail as closed', async t => {
  await using setting = await setUp(() => {})
  const reading = setting.stream.toArray()
  setting.server.dropAll()
  await t.throwsAsync(reading, { code: 'closed' })
})

test('a reader that lags stops libvirtd, and nothing is lost', async t => {
  await using setting = await setUp(finish)
  const piece = Buffer.alloc(65_536, 'x')
  const pieces = 200
  for (let count = 0; count < pieces; count++) setting.send(packetStatus.continue, piece)
  setting.send(packetStatus.continue)
  const [peer] = [...setting.server.peers]
  await once(setting.stream, 'readable')
  t.true(peer!.socket.writableLength > 0, 'the server could send everything')
  t.true(setting.stream.readableLength < pieces * piece.length)
  const read = Buffer.concat(await setting.stream.toArray())
  t.is(read.length, pieces * piece.length)
})
