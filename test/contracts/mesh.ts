/**
 * What every pair of Mesh and AgentMesh promises, the fake and the real one. A rig brings
 * controllers and agents that can reach each other and admit each other's keys.
 */
import test, { type ExecutionContext } from 'ava'
import type { HostId } from '#shared/ids.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import type { AgentMesh } from '../../agent/core/ports.ts'
import type { Mesh, MeshMessage, Peer } from '../../controller/core/ports.ts'
import { anOrder, aReport } from '../world/messages.ts'
import { counted, patienceMs, Reading, until } from '../world/reading.ts'

/** An agent that listens, and how to dial it. */
export type Seat = { readonly mesh: AgentMesh; readonly peer: Peer }

export type MeshRig = AsyncDisposable & {
  /** A new controller whose epoch is asked anew for each message. */
  readonly controller: (epoch: () => number) => Mesh
  /** Starts the agent of a host; once it was disposed of, again with the same key and place. */
  readonly agent: (host: HostId) => Promise<Seat>
}

const alpha = 'host-alpha' as HostId
const beta = 'host-beta' as HostId

type Behaves = (title: string, body: (t: ExecutionContext, rig: MeshRig) => Promise<void>) => void

/** Registers the suite's tests; each gets a rig of its own, and they run one after another. */
export function meshSuite(name: string, makeRig: () => Promise<MeshRig>): void {
  const behaves: Behaves = (title, body) => {
    test.serial(`${name}: ${title}`, async t => {
      t.timeout(patienceMs * 2)
      await using rig = await makeRig()
      await body(t, rig)
    })
  }
  carries(behaves)
  keepsTheLatest(behaves)
  refuses(behaves)
  followsTheLeader(behaves)
  tellsOfLines(behaves)
  ends(behaves)
}

const readMesh = (mesh: Mesh) => new Reading<MeshMessage>(signal => mesh.messages(signal))
const readAgent = (mesh: AgentMesh) => new Reading<ToAgent>(signal => mesh.messages(signal))

const isConnected = (host: HostId) => (message: MeshMessage) =>
  message.type === 'connected' && message.host === host
const isDisconnected = (host: HostId) => (message: MeshMessage) =>
  message.type === 'disconnected' && message.host === host
const ofType = (type: ToAgent['type']) => (message: ToAgent) => message.type === type
const saidOf = (host: HostId, type: ToController['type']) => (message: MeshMessage) =>
  message.type === 'message' && message.host === host && message.message.type === type

const hello = (number: number): ToAgent => ({
  type: 'heartbeat',
  number,
  loopLagMs: 0,
  epoch: 1,
  generation: 0
})
const question = (number: number): ToAgent => ({
  type: 'question',
  number,
  ask: 'console-log',
  subject: 'i-1'
})
const answer = (number: number): ToController => ({
  type: 'answer',
  number,
  message: '',
  bytes: new Uint8Array([0, 1, 255])
})

/** Connects one controller and one agent that has heard it. */
async function meet(rig: MeshRig, host: HostId = alpha) {
  const { mesh: agent, peer } = await rig.agent(host)
  const mesh = rig.controller(() => 1)
  mesh.setPeers([peer])
  const fromAgents = readMesh(mesh)
  await fromAgents.next(isConnected(host))
  const fromController = readAgent(agent)
  mesh.send(host, hello(1))
  await fromController.next(ofType('heartbeat'))
  return { agent, peer, mesh, fromAgents, fromController }
}

function carries(behaves: Behaves): void {
  behaves('what the controller says arrives as it was', async (t, rig) => {
    const { mesh, fromController } = await meet(rig)
    const order = anOrder({ host: alpha, generation: 7 })
    mesh.send(alpha, order)
    t.deepEqual(await fromController.next(ofType('order')), order)
    const chunk: ToAgent = {
      type: 'channel-data',
      channel: 'c',
      bytes: new Uint8Array([0, 9, 255])
    }
    mesh.send(alpha, chunk)
    t.deepEqual(await fromController.next(ofType('channel-data')), chunk)
  })

  behaves('what an agent says arrives as it was, under the name of its host', async (t, rig) => {
    const { agent, fromAgents } = await meet(rig)
    agent.send(aReport({ host: alpha, number: 3 }))
    const said = await fromAgents.next(saidOf(alpha, 'report'))
    const { message } = said as MeshMessage & { type: 'message' }
    t.deepEqual(message, aReport({ host: alpha, number: 3 }))
    agent.send(answer(4))
    const heard = await fromAgents.next(saidOf(alpha, 'answer'))
    t.like(heard, { type: 'message', host: alpha, message: answer(4) })
  })

  behaves('bytes arrive as a plain Uint8Array on both sides', async (t, rig) => {
    const { agent, mesh, fromAgents, fromController } = await meet(rig)
    agent.send({ type: 'channel-data', channel: 'c', bytes: Buffer.from('up') })
    const up = await fromAgents.next(saidOf(alpha, 'channel-data'))
    mesh.send(alpha, { type: 'channel-data', channel: 'c', bytes: Buffer.from('down') })
    const down = await fromController.next(ofType('channel-data'))
    const bytes = [(up as { message: { bytes: unknown } }).message, down as { bytes: unknown }]
    for (const each of bytes) t.is(Object.getPrototypeOf(each.bytes), Uint8Array.prototype)
  })

  behaves('questions and answers keep their order, and none is lost', async (t, rig) => {
    const { agent, mesh, fromAgents, fromController } = await meet(rig)
    const numbers = Array.from({ length: 200 }, (_, index) => index + 1)
    for (const number of numbers) mesh.send(alpha, question(number))
    for (const number of numbers) {
      t.deepEqual(await fromController.next(ofType('question')), question(number))
      agent.send(answer(number))
    }
    for (const number of numbers) {
      const heard = await fromAgents.next(saidOf(alpha, 'answer'))
      t.deepEqual((heard as { message: unknown }).message, answer(number))
    }
  })

  behaves('two agents are told apart', async (t, rig) => {
    const seats = [await rig.agent(alpha), await rig.agent(beta)]
    const mesh = rig.controller(() => 1)
    mesh.setPeers(seats.map(seat => seat.peer))
    const fromAgents = readMesh(mesh)
    const waiting = new Set<HostId>([alpha, beta])
    while (waiting.size > 0) {
      waiting.delete((await fromAgents.next(message => message.type === 'connected')).host)
    }
    for (const [index, host] of [alpha, beta].entries()) {
      mesh.send(host, anOrder({ host, generation: index }))
      const said = await readAgent(seats[index]!.mesh).next(ofType('order'))
      t.deepEqual(said, anOrder({ host, generation: index }))
      seats[index]!.mesh.send(aReport({ host, number: 1 }))
      const heard = await fromAgents.next(saidOf(host, 'report'))
      t.is((heard as { message: { host: string } }).message.host, host)
    }
  })
}

function keepsTheLatest(behaves: Behaves): void {
  behaves('an order for a host that is away is refused, and never reaches it', async (t, rig) => {
    const { mesh: before, peer } = await rig.agent(alpha)
    await before[Symbol.asyncDispose]()
    const mesh = rig.controller(() => 1)
    mesh.setPeers([peer])
    t.throws(() => mesh.send(alpha, anOrder({ host: alpha, generation: 1 })), {
      code: 'unavailable',
      message: 'cannot send order to host host-alpha: it is not connected'
    })
    const fromAgents = readMesh(mesh)
    const fromController = readAgent((await rig.agent(alpha)).mesh)
    await fromAgents.next(isConnected(alpha))
    mesh.send(alpha, hello(1))
    t.deepEqual(await fromController.next(), hello(1))
  })

  behaves('an order that waits when its host goes away is not delivered after', async (t, rig) => {
    const { agent, mesh, fromAgents } = await meet(rig)
    await agent[Symbol.asyncDispose]()
    // Whether it is known yet that nobody is there is a matter of luck.
    try {
      mesh.send(alpha, anOrder({ host: alpha, generation: 1 }))
    } catch (thrown) {
      t.like(thrown, { code: 'unavailable' })
    }
    await fromAgents.next(isDisconnected(alpha))
    const fromController = readAgent((await rig.agent(alpha)).mesh)
    await fromAgents.next(isConnected(alpha))
    mesh.send(alpha, hello(2))
    t.deepEqual(await fromController.next(), hello(2))
  })

  behaves('of unread orders only the newest is read, of unread heartbeats too', async (t, rig) => {
    const { agent, mesh, fromController } = await meet(rig)
    for (const number of [2, 3, 4]) {
      mesh.send(alpha, anOrder({ host: alpha, generation: number }))
      await until(() => received(agent) === 2 * number - 2)
      mesh.send(alpha, hello(number))
      await until(() => received(agent) === 2 * number - 1)
    }
    mesh.send(alpha, question(9))
    const said = [await fromController.next(), await fromController.next()]
    t.deepEqual(said, [anOrder({ host: alpha, generation: 4 }), hello(4)])
    t.deepEqual(await fromController.next(), question(9))
  })

  behaves('the latest report waits for a controller', async (t, rig) => {
    const { mesh: agent, peer } = await rig.agent(alpha)
    for (const number of [1, 2, 3]) agent.send(aReport({ host: alpha, number }))
    const mesh = rig.controller(() => 1)
    mesh.setPeers([peer])
    const fromAgents = readMesh(mesh)
    await fromAgents.next(isConnected(alpha))
    mesh.send(alpha, hello(1))
    const heard = await fromAgents.next(saidOf(alpha, 'report'))
    t.is((heard as { message: { number: number } }).message.number, 3)
  })
}

function refuses(behaves: Behaves): void {
  behaves('a message for a host that is no peer is refused', async (t, rig) => {
    const mesh = rig.controller(() => 1)
    t.throws(() => mesh.send(alpha, anOrder({ host: alpha, generation: 1 })), {
      code: 'unavailable',
      message: 'cannot send order to host host-alpha: it is not a peer'
    })
  })

  behaves(
    'a question for a host that is away is refused, a heartbeat is dropped',
    async (t, rig) => {
      const { mesh: agent, peer } = await rig.agent(alpha)
      await agent[Symbol.asyncDispose]()
      const mesh = rig.controller(() => 1)
      mesh.setPeers([peer])
      t.throws(() => mesh.send(alpha, question(1)), {
        code: 'unavailable',
        message: 'cannot send question to host host-alpha: it is not connected'
      })
      t.notThrows(() => mesh.send(alpha, hello(1)))
      t.is(counted(mesh, 'dropped'), 2)
    }
  )

  behaves(
    'an answer while there is no controller is refused, a heartbeat dropped',
    async (t, rig) => {
      const { mesh: agent } = await rig.agent(alpha)
      t.throws(() => agent.send(answer(1)), { code: 'unavailable' })
      t.notThrows(() =>
        agent.send({ type: 'heartbeat', number: 1, loopLagMs: 0, epoch: 1, generation: 0 })
      )
      t.is(counted(agent, 'dropped'), 2)
    }
  )

  behaves('a message that is too long is refused', async (t, rig) => {
    const { agent, mesh } = await meet(rig)
    const images = Array.from({ length: 10_000 }, () => 'x'.repeat(500))
    t.throws(() => agent.send({ ...aReport({ host: alpha, number: 1 }), images }), {
      code: 'invalid'
    })
    const order = anOrder({ host: alpha, generation: 1 })
    const volumes = images.map(name => ({ ...aVolume, name }))
    t.throws(() => mesh.send(alpha, { ...order, volumes }), { code: 'invalid' })
  })
}

const aVolume = {
  id: 'v-1',
  pool: 'local',
  format: 'qcow2',
  sizeMib: 1,
  desired: 'present'
} as const

function followsTheLeader(behaves: Behaves): void {
  behaves('an agent answers the controller with the highest epoch', async (t, rig) => {
    const { agent, peer, fromController } = await meet(rig)
    const next = rig.controller(() => 2)
    next.setPeers([peer])
    const fromAgents = readMesh(next)
    await fromAgents.next(isConnected(alpha))
    next.send(alpha, anOrder({ host: alpha, generation: 1, epoch: 2 }))
    await fromController.next(ofType('order'))
    agent.send(answer(5))
    const heard = await fromAgents.next(saidOf(alpha, 'answer'))
    t.deepEqual((heard as { message: unknown }).message, answer(5))
  })

  behaves('a controller that was deposed is told so, and is not heard', async (t, rig) => {
    const { agent, peer, mesh, fromAgents, fromController } = await meet(rig)
    const next = rig.controller(() => 2)
    next.setPeers([peer])
    await readMesh(next).next(isConnected(alpha))
    next.send(alpha, anOrder({ host: alpha, generation: 1, epoch: 2 }))
    await fromController.next(ofType('order'))
    mesh.send(alpha, anOrder({ host: alpha, generation: 99 }))
    const told = await fromAgents.next(saidOf(alpha, 'refusal'))
    t.like((told as { message: unknown }).message, {
      epoch: 2,
      because: 'cannot listen to epoch 1: epoch 2 has been seen'
    })
    t.is(counted(agent, 'deposed'), 1)
    next.send(alpha, question(1))
    t.deepEqual(await fromController.next(), question(1))
  })
}

function tellsOfLines(behaves: Behaves): void {
  behaves(
    'an agent that stops is told as disconnected, and as connected once back',
    async (t, rig) => {
      const { agent, mesh, fromAgents } = await meet(rig)
      await agent[Symbol.asyncDispose]()
      const told = await fromAgents.next(isDisconnected(alpha))
      t.is((told as { because: string }).because, 'the connection was lost')
      const again = await rig.agent(alpha)
      await fromAgents.next(isConnected(alpha))
      mesh.send(alpha, question(1))
      t.deepEqual(await readAgent(again.mesh).next(ofType('question')), question(1))
    }
  )

  behaves('a peer that is dropped is disconnected and not heard any more', async (t, rig) => {
    const { mesh, fromAgents } = await meet(rig)
    mesh.setPeers([])
    const told = await fromAgents.next(isDisconnected(alpha))
    t.is((told as { because: string }).because, 'it is no longer a peer')
    t.throws(() => mesh.send(alpha, question(1)), { code: 'unavailable' })
  })

  behaves('peers that stay stay connected when others come and go', async (t, rig) => {
    const { peer, mesh, fromAgents, fromController } = await meet(rig)
    const other = await rig.agent(beta)
    mesh.setPeers([peer, other.peer])
    await fromAgents.next(isConnected(beta))
    mesh.setPeers([peer])
    t.like(await fromAgents.next(), { type: 'disconnected', host: beta })
    mesh.send(alpha, question(1))
    t.deepEqual(await fromController.next(ofType('question')), question(1))
  })

  behaves('a dropped peer can be dialled again at once', async (t, rig) => {
    const { peer, mesh, fromAgents, fromController } = await meet(rig)
    mesh.setPeers([])
    mesh.setPeers([peer])
    await fromAgents.next(isDisconnected(alpha))
    await fromAgents.next(isConnected(alpha))
    mesh.send(alpha, question(1))
    t.deepEqual(await fromController.next(ofType('question')), question(1))
  })

  behaves(
    'two hosts at one address: the second is not dialled until the first goes',
    async (t, rig) => {
      const { peer, mesh, fromAgents } = await meet(rig)
      const twin = { ...peer, host: beta }
      mesh.setPeers([peer, twin])
      const told = await fromAgents.next(isDisconnected(beta))
      t.is(
        (told as { because: string }).because,
        `cannot dial ${peer.endpoint}: host ${alpha} listens there`
      )
      mesh.setPeers([twin])
      await fromAgents.next(isConnected(beta))
    }
  )
}

function ends(behaves: Behaves): void {
  behaves('reading ends when its signal aborts, and can be taken up again', async (t, rig) => {
    const { agent, fromAgents, fromController } = await meet(rig)
    await fromAgents[Symbol.asyncDispose]()
    await fromController[Symbol.asyncDispose]()
    const stopped = AbortSignal.abort()
    for await (const message of agent.messages(stopped)) t.fail(`read ${message.type}`)
    t.pass()
  })

  behaves('reading ends when the mesh is disposed of, after what had come', async (t, rig) => {
    const { agent, mesh, fromController } = await meet(rig)
    mesh.send(alpha, question(1))
    await until(() => received(agent) === 2)
    await agent[Symbol.asyncDispose]()
    t.deepEqual(await fromController.next(), question(1))
    await t.throwsAsync(fromController.next(), { message: /has not come/ })
  })
}

const received = (agent: AgentMesh): number => counted(agent, 'received')
