/** What a host of the same cloud, with a valid key of its own, gets of another host: nothing. */
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { encodeBody, Sealer } from '#shared/wire/frame.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { Knock } from '#shared/wire/zap.ts'
import { knockOnce } from '../../../agent/io/door.ts'
import { Door } from '../../../controller/io/door.ts'
import { anOrder, aReport } from '../../world/messages.ts'
import { RawSocket } from '../../world/raw-socket.ts'
import { counted, Reading, until } from '../../world/reading.ts'
import { anyPort, RealMeshRig } from '../../world/real-mesh.ts'

const alpha = 'host-alpha' as HostId
const beta = 'host-beta' as HostId

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

behaves('a host that listens at the address of another gets none of its orders', async (t, rig) => {
  const betaKeys = makeKeys()
  const mesh = rig.controller(() => 1)
  const { mesh: gone, peer } = await rig.agent(alpha)
  await gone[Symbol.asyncDispose]()
  const thief = await rig.agent(beta, { endpoint: peer.endpoint, keys: betaKeys })
  const own = await rig.agent('host-own' as HostId, { keys: betaKeys, endpoint: anyPort })
  mesh.setPeers([peer, { ...own.peer, host: beta }])
  await using said = new Reading(signal => mesh.messages(signal))
  await said.next(({ type, host }) => type === 'connected' && host === beta)
  const lost = { code: 'unavailable' }
  t.throws(() => mesh.send(alpha, anOrder({ host: alpha, generation: 7 })), lost)
  mesh.send(beta, anOrder({ host: beta, generation: 8 }))
  await using heard = new Reading(signal => own.mesh.messages(signal))
  t.like(await heard.next(), { type: 'order', host: beta, generation: 8 })
  await until(() => counted(mesh, 'dials') > 3)
  t.is(counted(thief.mesh, 'received') + counted(thief.mesh, 'connects'), 0)
})

behaves('a host cannot dial another as if it were a controller, and it is told', async (t, rig) => {
  const knocks: Knock[] = []
  const [keys, own] = [makeKeys(), makeKeys()]
  const agent = rig.use(
    await AnsweringEnd.open({
      endpoint: anyPort,
      keys,
      sender: rig.sender(),
      admitted: [rig.controllerKeys.publicKey],
      seen: () => ({ epoch: 3, generation: 0 }),
      onRefused: knock => knocks.push(knock),
      clock: realClock,
      log: silentLog
    })
  )
  const { endpoint } = agent
  const other = rig.controller(() => 99, own)
  other.setPeers([{ host: alpha, endpoint, publicKey: keys.publicKey }])
  await until(() => knocks.length > 1)
  const order = anOrder({ host: alpha, generation: 1, epoch: 99 })
  t.throws(() => other.send(alpha, order), { code: 'unavailable' })
  t.deepEqual(knocks[0], { publicKey: own.publicKey, address: '127.0.0.1' })
  t.is(counted(agent, 'received'), 0)
  t.is(agent.epochSeen, 3)
})

behaves('what a host reports under the name of another counts as its own', async (t, rig) => {
  const { mesh: agent, peer } = await rig.agent(beta)
  const mesh = rig.controller(() => 1)
  mesh.setPeers([peer])
  await using heard = new Reading(signal => mesh.messages(signal))
  await heard.next(said => said.type === 'connected')
  mesh.send(beta, anOrder({ host: beta, generation: 1 }))
  agent.send(aReport({ host: alpha, number: 1 }))
  t.like(await heard.next(said => said.type === 'message'), { host: beta })
})

behaves(
  'what was said on one line and is said again on another is a repetition',
  async (t, rig) => {
    const { mesh: agent, peer } = await rig.agent(alpha)
    const sealer = new Sealer(rig.sender(), () => 1)
    const order = anOrder({ host: alpha, generation: 1 })
    const frames = sealer.seal('order', encodeBody(order), performance.now())
    for (let times = 1; times <= 3; times++) {
      const raw = await RawSocket.dialling(rig.controllerKeys, peer)
      await raw.say(frames)
      await until(() => counted(agent, 'received') + counted(agent, 'repeated') === times)
      await raw[Symbol.asyncDispose]()
    }
    t.deepEqual([counted(agent, 'received'), counted(agent, 'repeated')], [1, 2])
  }
)

behaves(
  'of two controllers that dial it an agent answers who has the higher epoch',
  async (t, rig) => {
    const [old, next] = [makeKeys(), makeKeys()]
    const admitted = [old.publicKey, next.publicKey]
    const { mesh: agent, peer } = await rig.agent(alpha, { admitted })
    const [first, second] = [rig.controller(() => 4, old), rig.controller(() => 5, next)]
    for (const mesh of [first, second]) mesh.setPeers([peer])
    await using toFirst = new Reading(signal => first.messages(signal))
    await using toSecond = new Reading(signal => second.messages(signal))
    await until(() => counted(first, 'connects') + counted(second, 'connects') === 2)
    agent.send(aReport({ host: alpha, number: 1 }))
    first.send(alpha, anOrder({ host: alpha, generation: 1, epoch: 4 }))
    t.like(await toFirst.next(said => said.type === 'message'), { message: { number: 1 } })
    second.send(alpha, anOrder({ host: alpha, generation: 1, epoch: 5 }))
    await until(() => counted(agent, 'received') === 2)
    first.send(alpha, anOrder({ host: alpha, generation: 2, epoch: 4 }))
    t.like(await toFirst.next(said => said.type === 'message'), {
      message: { type: 'refusal', epoch: 5 }
    })
    agent.send(aReport({ host: alpha, number: 2 }))
    t.like(await toSecond.next(said => said.type === 'message'), { message: { number: 2 } })
    t.is(counted(agent, 'deposed'), 1)
  }
)

behaves('the key of a host is good for nothing at the door but to knock', async (t, rig) => {
  const keys = makeKeys()
  const door = rig.use(
    await Door.open({
      endpoint: anyPort,
      keys,
      sender: rig.sender(),
      doorkeeper: async () => ({
        type: 'joined',
        verdict: 'pending',
        because: 'wait',
        cloud: '',
        controllerKeys: []
      }),
      clock: realClock,
      log: silentLog
    })
  )
  const own = makeKeys()
  const address = { endpoint: door.endpoint, publicKey: keys.publicKey }
  const raw = rig.use(await RawSocket.dialling(own, address))
  const sealer = new Sealer(rig.sender(), () => 1)
  const report = aReport({ host: alpha, number: 1 })
  await raw.say(sealer.seal('report', encodeBody(report), performance.now()))
  await until(() => counted(door, 'garbage') === 1)
  t.deepEqual(raw.received, [])
  const join = () => ({
    type: 'join' as const,
    uuid: 'u',
    hostname: 'h',
    publicKey: own.publicKey,
    endpoint: 'tcp://127.0.0.1:1'
  })
  const options = { keys: own, sender: rig.sender(), join, clock: realClock }
  t.is((await knockOnce(address, options, new AbortController().signal)).verdict, 'pending')
})
