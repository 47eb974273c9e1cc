import test, { type ExecutionContext } from 'ava'
import { type Fault, isFault } from '#shared/fault.ts'
import type { Connection, RemoteEvent } from '../../../agent/io/libvirt/connection.ts'
import { type ConnectionOptions, openConnection } from '../../../agent/io/libvirt/open.ts'
import {
  encodePacket,
  keepalive,
  type Packet,
  packetStatus,
  packetType
} from '../../../agent/io/libvirt/packet.ts'
import { events, type RemoteDomain } from '../../../agent/io/libvirt/procedures.ts'
import { refusalCode } from '../../../agent/io/libvirt/refusal.ts'
import { encode } from '../../../agent/io/libvirt/xdr.ts'
import {
  type Answers,
  type Peer,
  Refusal,
  type SmallServer,
  type SmallServerOptions,
  silence,
  startSmallServer
} from './small-server.ts'

type Setting = AsyncDisposable & { readonly server: SmallServer; readonly connection: Connection }

async function setUp(
  server: SmallServerOptions = {},
  options: Partial<ConnectionOptions> = {}
): Promise<Setting> {
  const small = await startSmallServer(server)
  const socketPath = small.path
  const connection = await openConnection({ socketPath, uri: 'qemu:///system', ...options })
  return {
    server: small,
    connection,
    async [Symbol.asyncDispose]() {
      connection.close()
      await small[Symbol.asyncDispose]()
    }
  }
}

const hostname = (connection: Connection, deadlineMs = 10_000): Promise<{ hostname: string }> =>
  connection.call('connectGetHostname', undefined, { deadlineMs, what: 'ask for the name' })

const faultOf = async (t: ExecutionContext, promise: Promise<unknown>): Promise<Fault> => {
  const thrown = await t.throwsAsync(promise)
  t.true(isFault(thrown), String(thrown))
  return thrown as Fault
}

test('a call is answered', async t => {
  await using setting = await setUp({ answers: { connectGetHostname: () => ({ hostname: 'h' }) } })
  t.deepEqual(await hostname(setting.connection), { hostname: 'h' })
  t.deepEqual(setting.server.calls, ['authList', 'connectOpen', 'connectGetHostname'])
})

const refusals = [
  { code: 42, means: 'not-found' },
  { code: 1, means: 'hypervisor' },
  { code: 55, means: 'hypervisor' }
] as const

for (const { code, means } of refusals) {
  test(`a refusal with code ${code} is a Fault ${means} that says why`, async t => {
    const refuse = (): never => {
      throw new Refusal(code, 'for a reason')
    }
    await using setting = await setUp({ answers: { connectGetHostname: refuse } })
    const fault = await faultOf(t, hostname(setting.connection))
    t.is(fault.code, means)
    t.is(fault.message, 'cannot ask for the name: libvirt refuses: for a reason')
    t.is(refusalCode(fault), code)
    t.is(setting.connection.fault, undefined)
  })
}

test('a call without an answer ends at its deadline, and its late answer is nobody’s', async t => {
  const late: (() => void)[] = []
  const answers: Answers = {
    connectGetHostname: (_args, peer, { procedure, serial }) => {
      late.push(() => peer.send({ procedure, serial }, Buffer.from('0000000168000000', 'hex')))
      return silence
    },
    connectGetType: () => ({ type: 'QEMU' })
  }
  await using setting = await setUp({ answers })
  const fault = await faultOf(t, hostname(setting.connection, 20))
  t.is(fault.code, 'deadline')
  t.regex(fault.message, /libvirt has not answered within 20 ms/)
  for (const send of late) send()
  t.deepEqual(await setting.connection.call('connectGetType', undefined), { type: 'QEMU' })
})

test('no more calls than libvirtd reads are in flight, the others wait', async t => {
  const open: (() => void)[] = []
  const answers: Answers = {
    connectGetHostname: (_args, peer, { procedure, serial }) => {
      open.push(() => peer.send({ procedure, serial }, Buffer.from('0000000168000000', 'hex')))
      t.true(open.length <= 2, 'more than two at once')
      if (open.length === 2) for (const answer of open.splice(0)) answer()
      return silence
    }
  }
  await using setting = await setUp({ answers }, { limits: { callsInFlightMax: 2 } })
  const replies = await Promise.all(Array.from({ length: 10 }, () => hostname(setting.connection)))
  t.is(replies.length, 10)
})

test('calls beyond the queue are refused, and those that wait have a deadline too', async t => {
  const answers: Answers = { connectGetHostname: () => silence }
  const limits = { callsInFlightMax: 1, callsWaitingMax: 2 }
  await using setting = await setUp({ answers }, { limits })
  const calls = [10_000, 20, 10_000].map(ms => hostname(setting.connection, ms))
  const [inFlight, waiting] = calls.map(call => faultOf(t, call))
  t.regex(
    (await faultOf(t, hostname(setting.connection))).message,
    /2 calls to libvirt wait already/
  )
  t.regex((await waiting!).message, /it has not had its turn within 20 ms/)
  setting.connection.close()
  t.is((await inFlight!).code, 'closed')
})

test('a connection whose every place is lost to unanswered calls is closed', async t => {
  const answers: Answers = { connectGetHostname: () => silence }
  await using setting = await setUp({ answers }, { limits: { callsInFlightMax: 2 } })
  const waiting = [20, 20, 10_000].map(ms => faultOf(t, hostname(setting.connection, ms)))
  const codes = (await Promise.all(waiting)).map(({ code }) => code)
  t.deepEqual(codes, ['deadline', 'deadline', 'closed'])
  t.regex((await setting.connection.ended).message, /leaves 2 calls unanswered/)
})

test('when the server goes, everyone who waits is told, and so is whoever comes later', async t => {
  const answers: Answers = {
    connectGetHostname: (_args, peer) => {
      peer.socket.destroy()
      return silence
    }
  }
  await using setting = await setUp({ answers }, { limits: { callsInFlightMax: 1 } })
  const calls = [hostname(setting.connection), hostname(setting.connection)]
  const faults = await Promise.all(calls.map(call => faultOf(t, call)))
  faults.push(await faultOf(t, hostname(setting.connection)))
  for (const fault of faults) {
    t.is(fault.code, 'closed')
    t.is(fault.message, 'cannot ask for the name: the connection to libvirt is gone')
  }
})

const remote = { program: 0x20008086, version: 1, procedure: 59, type: 1, serial: 3, status: 0 }
const misdeeds: readonly { readonly what: string; readonly bytes: Buffer }[] = [
  { what: 'garbage', bytes: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') },
  { what: 'a packet that is too long', bytes: Buffer.from('7fffffff', 'hex') },
  { what: 'a packet that is too short', bytes: Buffer.from('00000004', 'hex') },
  { what: 'a reply to nothing', bytes: encodePacket({ ...remote, serial: 99 }) },
  { what: 'a reply to another call', bytes: encodePacket({ ...remote, procedure: 4 }) },
  { what: 'a packet of another program', bytes: encodePacket({ ...remote, program: 5 }) },
  { what: 'a packet of another version', bytes: encodePacket({ ...remote, version: 2 }) },
  { what: 'a packet of a type that we never ask for', bytes: encodePacket({ ...remote, type: 5 }) },
  { what: 'a reply cut short', bytes: encodePacket(remote, Buffer.from('00000009', 'hex')) },
  { what: 'a refusal cut short', bytes: encodePacket({ ...remote, status: 1 }, Buffer.alloc(3)) },
  {
    what: 'an event cut short',
    bytes: encodePacket({ ...remote, type: packetType.message, procedure: 318 }, Buffer.alloc(3))
  }
]

for (const { what, bytes } of misdeeds) {
  test(`${what} ends the connection with a protocol fault`, async t => {
    const answers: Answers = {
      connectGetHostname: (_args, peer) => {
        peer.sendBytes(bytes)
        return silence
      }
    }
    await using setting = await setUp({ answers })
    const fault = await faultOf(t, hostname(setting.connection))
    t.true(fault.code === 'closed' || fault.code === 'protocol', fault.message)
    t.is((await setting.connection.ended).code, 'protocol')
  })
}

test('a server that dies in the middle of a packet leaves no one waiting', async t => {
  const answers: Answers = {
    connectGetHostname: (_args, peer) => {
      peer.socket.end(encodePacket(remote, Buffer.alloc(100)).subarray(0, 60))
      return silence
    }
  }
  await using setting = await setUp({ answers })
  t.is((await faultOf(t, hostname(setting.connection))).code, 'closed')
})

const ping = { program: keepalive.program, version: 1, type: 2, serial: 0, status: 0 }

test('a server that says nothing any more is found out by its unanswered pings', async t => {
  const pings: Packet[] = []
  const answers: Answers = { connectGetHostname: () => silence }
  const limits = { pingMs: 20, pingsUnansweredMax: 3 }
  await using setting = await setUp({ answers, onPacket: packet => pings.push(packet) }, { limits })
  t.is((await faultOf(t, hostname(setting.connection))).code, 'closed')
  t.regex((await setting.connection.ended).message, /libvirt is silent: 3 pings in 80 ms/)
  t.true(pings.length >= 3, `${pings.length} pings came`)
  t.like(pings[0], { ...ping, procedure: keepalive.ping })
})

test('a server that only answers pings lives, however long a call takes', async t => {
  let pings = 0
  const held = Promise.withResolvers<Packet>()
  const onPacket = async (_packet: Packet, peer: Peer): Promise<void> => {
    peer.sendBytes(encodePacket({ ...ping, procedure: keepalive.pong }))
    if (++pings < 8) return
    const { procedure, serial } = await held.promise
    peer.send({ procedure, serial }, Buffer.from('0000000168000000', 'hex'))
  }
  const answers: Answers = {
    connectGetHostname: (_args, _peer, packet) => {
      held.resolve(packet)
      return silence
    }
  }
  const limits = { pingMs: 20, pingsUnansweredMax: 3 }
  await using setting = await setUp({ answers, onPacket }, { limits })
  t.deepEqual(await hostname(setting.connection, 60_000), { hostname: 'h' })
})

test('a ping of the server is answered', async t => {
  const answered = Promise.withResolvers<Packet>()
  const answers: Answers = {
    connectGetHostname: (_args, peer) => {
      peer.sendBytes(encodePacket({ ...ping, procedure: keepalive.ping }))
      return silence
    }
  }
  await using setting = await setUp({ answers, onPacket: answered.resolve })
  const call = faultOf(t, hostname(setting.connection))
  t.like(await answered.promise, { ...ping, procedure: keepalive.pong })
  setting.connection.close()
  await call
})

const dom: RemoteDomain = { name: 'web', uuid: Buffer.alloc(16, 7), id: 3 }

test('an event is given on, and one that we do not know is passed over', async t => {
  const heard: RemoteEvent[] = []
  const body = encode(events[318].body, { callbackId: 0, msg: { dom, event: 5, detail: 2 } })
  const answers: Answers = {
    connectGetHostname: (_args, peer) => {
      peer.send({ procedure: 9_999, type: packetType.message })
      peer.send({ procedure: 318, type: packetType.message }, body)
      return { hostname: 'h' }
    }
  }
  await using setting = await setUp({ answers }, { onEvent: event => heard.push(event) })
  await hostname(setting.connection)
  const msg = { dom, event: 5, detail: 2 }
  t.deepEqual(heard, [{ name: 'domainEventCallbackLifecycle', body: { callbackId: 0, msg } }])
})

const logIns = [
  { types: [], next: 'connectOpen' },
  { types: [0], next: 'connectOpen' },
  { types: [2, 0], next: 'connectOpen' },
  { types: [2], next: 'authPolkit' }
]
for (const { types, next } of logIns) {
  test(`a server that offers authentication [${types}] is next asked ${next}`, async t => {
    const answers: Answers = { authList: () => ({ types }), authPolkit: () => ({ complete: 1 }) }
    await using setting = await setUp({ answers })
    t.is(setting.server.calls[1], next)
    t.is(setting.server.calls.at(-1), 'connectOpen')
  })
}

test('a server that wants a password is refused with what to do', async t => {
  await using server = await startSmallServer({ answers: { authList: () => ({ types: [1] }) } })
  const opening = openConnection({ socketPath: server.path, uri: 'qemu:///system' })
  const fault = await faultOf(t, opening)
  t.is(fault.code, 'unauthenticated')
  t.deepEqual(fault.reasons, ['libvirt offers the authentication types 1'])
})

test('without a server there is nothing to connect to', async t => {
  const opening = openConnection({ socketPath: '/nonexistent/sock', uri: 'qemu:///system' })
  const fault = await faultOf(t, opening)
  t.is(fault.code, 'unavailable')
  t.regex(fault.message, /cannot connect to libvirt at \/nonexistent\/sock: .*ENOENT/)
})

test('a server that lets us in but says nothing is given up at the deadline', async t => {
  await using server = await startSmallServer({ answers: { authList: () => silence } })
  const limits = { openMs: 1_000 }
  const opening = openConnection({ socketPath: server.path, uri: 'qemu:///system', limits })
  const fault = await faultOf(t, opening)
  t.is(fault.code, 'deadline')
  t.regex(fault.message, /cannot open qemu:\/\/\/system/)
})

test('a stream that opens after we gave it up is broken off', async t => {
  const broken = Promise.withResolvers<Packet>()
  const asked = Promise.withResolvers<() => void>()
  const answers: Answers = {
    domainOpenConsole: (_args, peer, { procedure, serial }) => {
      asked.resolve(() => peer.send({ procedure, serial }))
      return silence
    }
  }
  await using setting = await setUp({ answers, onPacket: broken.resolve })
  const args = { dom, devName: undefined, flags: 0 }
  const opening = setting.connection.stream('domainOpenConsole', args, { deadlineMs: 20 })
  t.is((await faultOf(t, opening)).code, 'deadline')
  const answerLate = await asked.promise
  answerLate()
  t.like(await broken.promise, { type: packetType.stream, status: packetStatus.error })
})
