/** What strangers and impostors get, with real sockets: nothing. */
import test, { type ExecutionContext } from 'ava'
import * as zmq from 'zeromq'
import type { HostId } from '#shared/ids.ts'
import { encode } from '#shared/wire/codec.ts'
import { encodeBody, Sealer } from '#shared/wire/frame.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { messageBytesMax, type ToAgent, type ToController } from '#shared/wire/messages.ts'
import { WireSocket } from '#shared/wire/socket.ts'
import { Domain } from '#shared/wire/zap.ts'
import type { Mesh, MeshMessage, Peer } from '../../../controller/core/ports.ts'
import { anOrder, aReport } from '../../world/messages.ts'
import { RawSocket } from '../../world/raw-socket.ts'
import { counted, Reading, until } from '../../world/reading.ts'
import { anyPort, RealMeshRig } from '../../world/real-mesh.ts'

const alpha = 'host-alpha' as HostId
const beta = 'host-beta' as HostId
const heartbeat: ToAgent = { type: 'heartbeat', number: 1, loopLagMs: 0, epoch: 1, generation: 0 }
const question = (number: number): ToAgent => ({
  type: 'question',
  number,
  ask: 'console-log',
  subject: 'i-1'
})

function behaves(
  title: string,
  body: (t: ExecutionContext, rig: RealMeshRig) => Promise<void>
): void {
  test.serial(title, async t => {
    t.timeout(60_000)
    await using rig = new RealMeshRig()
    await body(t, rig)
  })
}

const readMesh = (mesh: Mesh) => new Reading<MeshMessage>(signal => mesh.messages(signal))

async function connected(mesh: Mesh, peer: Peer): Promise<Reading<MeshMessage>> {
  mesh.setPeers([peer])
  const reading = readMesh(mesh)
  await reading.next(message => message.type === 'connected')
  return reading
}

behaves('an impostor with another key at the address of an agent gets nothing', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  await agent[Symbol.asyncDispose]()
  const { endpoint } = peer
  const impostor = await rig.agent(beta, { endpoint, keys: makeKeys() })
  const mesh = rig.controller(() => 1)
  mesh.setPeers([peer])
  await until(() => counted(mesh, 'dials') > 2)
  const order = anOrder({ host: alpha, generation: 1 })
  t.throws(() => mesh.send(alpha, order), { code: 'unavailable' })
  t.is(counted(mesh, 'connects'), 0)
  t.is(counted(mesh, 'sent'), 0)
  t.is(counted(impostor.mesh, 'connects') + counted(impostor.mesh, 'received'), 0)
  await impostor.mesh[Symbol.asyncDispose]()
  const { mesh: back } = await rig.agent(alpha)
  await until(() => counted(mesh, 'connects') === 1)
  mesh.send(alpha, order)
  await until(() => counted(back, 'received') === 1)
  t.pass('the agent itself is reached once it is back')
})

behaves('a controller whose key is not admitted gets nothing from an agent', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  const rogue = rig.controller(() => 9, makeKeys())
  rogue.setPeers([peer])
  const order = anOrder({ host: alpha, generation: 1, epoch: 9 })
  t.throws(() => rogue.send(alpha, order), { code: 'unavailable' })
  agent.send(aReport({ host: alpha, number: 1 }))
  await using reading = readMesh(rogue)
  t.deepEqual(await reading.next(), {
    type: 'disconnected',
    host: alpha,
    because: 'the key is not admitted'
  })
  await until(() => counted(rogue, 'refusedHandshakes') > 2)
  t.is(counted(rogue, 'connects') + counted(rogue, 'sent') + counted(rogue, 'received'), 0)
  t.is(counted(agent, 'received') + counted(agent, 'sent'), 0)
  t.true(counted(agent, 'refusedHandshakes') > 2)
})

behaves('a connection without encryption is refused by an agent', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  const plain = new zmq.Dealer({ linger: 0, sendTimeout: 0 })
  try {
    plain.connect(peer.endpoint)
    await plain.send([encode({}), encode(heartbeat)]).catch(() => {})
    await until(() => counted(agent, 'refusedHandshakes') > 0)
    t.is(counted(agent, 'received') + counted(agent, 'connects'), 0)
  } finally {
    plain.close()
  }
})

behaves(
  'a key that is taken back is out at once and refused when it comes again',
  async (t, rig) => {
    const { mesh: agent, peer } = await rig.agent(alpha)
    const mesh = rig.controller(() => 1)
    await using reading = await connected(mesh, peer)
    await agent.admit([makeKeys().publicKey])
    t.like(await reading.next(), { type: 'disconnected', because: 'the connection was lost' })
    t.like(await reading.next(), { type: 'disconnected', because: 'the key is not admitted' })
    t.is(agent.endpoint, peer.endpoint)
    await agent.admit([rig.controllerKeys.publicKey])
    t.like(await reading.next(), { type: 'connected' })
  }
)

behaves('a key that is added disturbs nobody and is let in', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  const mesh = rig.controller(() => 1)
  await using reading = await connected(mesh, peer)
  const keys = makeKeys()
  await agent.admit([rig.controllerKeys.publicKey, keys.publicKey])
  const other = rig.controller(() => 2, keys)
  await using otherReading = await connected(other, peer)
  mesh.send(alpha, question(1))
  await until(() => counted(agent, 'received') === 1)
  t.is(counted(mesh, 'disconnects'), 0)
  t.truthy(reading && otherReading)
})

behaves('two agents in one process admit each its own controllers', async (t, rig) => {
  const keys = makeKeys()
  const first = await rig.agent(alpha)
  const second = await rig.agent(beta, { admitted: [keys.publicKey] })
  const mesh = rig.controller(() => 1)
  const other = rig.controller(() => 1, keys)
  for (const each of [mesh, other]) each.setPeers([first.peer, second.peer])
  await until(() => counted(mesh, 'connects') + counted(other, 'connects') === 2)
  await until(() => counted(mesh, 'refusedHandshakes') > 1)
  await until(() => counted(other, 'refusedHandshakes') > 1)
  t.is(counted(mesh, 'connects'), 1)
  t.is(counted(first.mesh, 'connects'), 1)
  t.is(counted(second.mesh, 'connects'), 1)
})

const sealed = (message: ToAgent | ToController, sealer: Sealer) =>
  sealer.seal(message.type, encodeBody(message), performance.now())
const cutShort = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 1)

/** How a message looked in version 1: two frames, both MessagePack. */
const asInVersion1 = (message: ToAgent): readonly Uint8Array[] => {
  const times = { number: 1, epoch: 1, sentAtMs: 1, validMs: 1_000 }
  return [encode({ version: 1, bootId: 'boot', run: 'run', ...times }), encodeBody(message)]
}

/** What a peer may say that is refused, by the counter under which it is found. */
function nonsense(good: readonly [Uint8Array], sealer: Sealer) {
  const seal = (body: Uint8Array) => sealer.seal('heartbeat', body, performance.now())
  const huge = encode({ type: 'order', text: 'x'.repeat(messageBytesMax) })
  return {
    garbage: [
      [new Uint8Array()],
      [new Uint8Array(), new Uint8Array()],
      [crypto.getRandomValues(new Uint8Array(64)), crypto.getRandomValues(new Uint8Array(64))],
      [good[0].subarray(0, 20)],
      [cutShort(sealed(heartbeat, sealer)[0])],
      seal(encode({ ...heartbeat, extra: 1 })),
      [...sealed(heartbeat, sealer), encode(1)]
    ],
    oversized: [seal(huge)],
    repeated: [good, good],
    otherVersion: [asInVersion1(heartbeat), [good[0].with(3, 99)]]
  } as const
}

behaves('an agent refuses and counts what is no message, and goes on', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  const raw = rig.use(await RawSocket.dialling(rig.controllerKeys, peer))
  const sealer = new Sealer(rig.sender(), () => 1)
  const good = sealed(heartbeat, sealer)
  await raw.say(good)
  for (const [counter, all] of Object.entries(nonsense(good, sealer))) {
    for (const frames of all) await raw.say(frames)
    await until(() => counted(agent, counter) === all.length)
  }
  t.is(counted(agent, 'received'), 1)
  await raw.say(sealed(question(1), sealer))
  await until(() => counted(agent, 'received') === 2)
  t.is(counted(agent, 'disconnects'), 0)
})

behaves('a message far too long costs a controller its connection to an agent', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(alpha)
  const raw = rig.use(await RawSocket.dialling(rig.controllerKeys, peer))
  await raw.say([new Uint8Array(messageBytesMax * 2), new Uint8Array()])
  await until(() => counted(agent, 'disconnects') === 1)
  t.is(counted(agent, 'received'), 0)
})

/** A peer with an agent's address and key that says and reads what a test wants. */
async function rawAgent(rig: RealMeshRig, host: HostId, options = { reads: true }) {
  const keys = makeKeys()
  const domain = rig.use(await Domain.open('agent', () => true))
  const socket = await WireSocket.listening(anyPort, { keys, domain: domain.name })
  const raw = rig.use(new RawSocket(socket, options))
  const peer: Peer = { host, endpoint: raw.endpoint, publicKey: keys.publicKey }
  return { raw, peer }
}

behaves('a controller refuses and counts what is no message, and goes on', async (t, rig) => {
  const { raw, peer } = await rawAgent(rig, alpha)
  const mesh = rig.controller(() => 1)
  await using reading = await connected(mesh, peer)
  mesh.send(alpha, question(1))
  await until(() => raw.received.length === 1)
  const { line } = raw.received[0]!
  const sealer = new Sealer(rig.sender(), () => 1)
  const good = sealed(heartbeat, sealer)
  await raw.say(good, line)
  for (const [counter, all] of Object.entries(nonsense(good, sealer))) {
    for (const frames of all) await raw.say(frames, line)
    await until(() => counted(mesh, counter) === all.length)
  }
  t.is(counted(mesh, 'received'), 1)
  t.like(await reading.next(), { type: 'message', message: heartbeat })
  await raw.say(sealed(aReport({ host: alpha, number: 9 }), sealer), line)
  t.like(await reading.next(), { type: 'message', message: { type: 'report', number: 9 } })
  t.is(counted(mesh, 'disconnects'), 0)
})

behaves(
  'an agent that does not read holds up no other, and its queue has an end',
  async (t, rig) => {
    const slow = await rawAgent(rig, beta, { reads: false })
    const { mesh: agent, peer } = await rig.agent(alpha)
    const mesh = rig.controller(() => 1)
    mesh.setPeers([peer, slow.peer])
    await until(() => counted(mesh, 'connects') === 2)
    const bytes = new Uint8Array(200_000)
    const flood = (): boolean => {
      try {
        for (;;) mesh.send(beta, { type: 'channel-data', channel: 'c', bytes })
      } catch (thrown) {
        t.like(thrown, {
          code: 'unavailable',
          message: 'cannot send channel-data to host host-beta: too much waits to be sent to it'
        })
      }
      return counted(mesh, 'full') > 3
    }
    await until(flood)
    for (let number = 1; number <= 500; number++) mesh.send(alpha, question(number))
    await until(() => counted(agent, 'received') === 500)
    mesh.send(beta, anOrder({ host: beta, generation: 1 }))
    mesh.send(beta, anOrder({ host: beta, generation: 2 }))
    t.is(counted(mesh, 'replaced'), 1)
    t.is(counted(mesh, 'disconnects'), 0)
  }
)
