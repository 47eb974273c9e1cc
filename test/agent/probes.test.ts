/** Peers that look for each other, with real sockets: and what strangers get out of it. */
import test, { type ExecutionContext } from 'ava'
import { type Clock, realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import { WireSocket } from '#shared/wire/socket.ts'
import { Domain } from '#shared/wire/zap.ts'
import { Probes } from '../../agent/io/probes.ts'
import { RawSocket } from '../world/raw-socket.ts'
import { counted, until } from '../world/reading.ts'

const anyPort = 'tcp://127.0.0.1:0'

/** A host that looks for others and can be looked for. */
async function aHost(
  t: ExecutionContext,
  name: string,
  endpoint = anyPort,
  clock: Clock = realClock
) {
  const keys = makeKeys()
  const changes: string[] = []
  const stop = new AbortController()
  const probes = await Probes.open({
    endpoint,
    keys,
    clock,
    log: silentLog,
    onChanged: () => changes.push(name)
  })
  const running = probes.run(stop.signal)
  const end = async (): Promise<void> => {
    stop.abort()
    await running
    await probes[Symbol.asyncDispose]()
  }
  t.teardown(end)
  const peer = { host: name, endpoint: probes.endpoint, publicKey: keys.publicKey }
  return { probes, keys, peer, changes, end }
}

type Host = Awaited<ReturnType<typeof aHost>>

const meet = (one: Host, other: Host): void => {
  one.probes.setPeers({ print: 'p', probe: [other.peer], admit: [] })
  other.probes.setPeers({ print: 'p', probe: [], admit: [one.keys.publicKey] })
}
const reaches = ({ probes }: Host): boolean | undefined => probes.results()[0]?.reached

test.serial('a host that is there is reached, and no longer once it is gone', async t => {
  t.timeout(60_000)
  const [one, other] = [await aHost(t, 'h1'), await aHost(t, 'h2')]
  meet(one, other)
  await until(() => reaches(one) === true)
  t.like(one.probes.results()[0], { host: 'h2', reached: true })
  t.true(one.changes.length >= 2)
  await other.end()
  await until(() => reaches(one) === false)
  const back = await aHost(t, 'h2', other.peer.endpoint)
  await until(() => counted(one.probes, 'notReached') > 2)
  t.is(reaches(one), false, 'another key answers there')
  t.is(counted(back.probes, 'letIn'), 0)
})

test.serial('a host that may not look is refused, and learns no more than that', async t => {
  t.timeout(60_000)
  const [one, other] = [await aHost(t, 'h1'), await aHost(t, 'h2')]
  one.probes.setPeers({ print: 'p', probe: [other.peer], admit: [] })
  await until(() => counted(other.probes, 'refused') > 0 && reaches(one) === false)
  t.is(counted(other.probes, 'letIn'), 0)
})

test.serial('what a peer says where it may only look is dropped, whatever its size', async t => {
  t.timeout(60_000)
  const other = await aHost(t, 'h2')
  const keys = makeKeys()
  other.probes.setPeers({ print: 'p', probe: [], admit: [keys.publicKey] })
  const raw = await RawSocket.dialling(keys, other.peer)
  t.teardown(() => raw[Symbol.asyncDispose]())
  await raw.say([new Uint8Array(10), new Uint8Array(100)])
  await until(() => counted(other.probes, 'dropped') === 1)
  await raw.say([new Uint8Array(1_000_000)])
  await until(() => raw.events.some(({ type }) => type === 'disconnected'))
  t.deepEqual(raw.received, [])
})

test.serial('an impostor at the address of a peer is not taken for it', async t => {
  t.timeout(60_000)
  const one = await aHost(t, 'h1')
  const domain = await Domain.open('agent', () => true)
  const socket = await WireSocket.listening(anyPort, { keys: makeKeys(), domain: domain.name })
  const impostor = new RawSocket(socket)
  t.teardown(() => domain[Symbol.asyncDispose]())
  t.teardown(() => impostor[Symbol.asyncDispose]())
  const peer = { host: 'h2', endpoint: impostor.endpoint, publicKey: makeKeys().publicKey }
  one.probes.setPeers({ print: 'p', probe: [peer], admit: [] })
  await until(() => counted(one.probes, 'notReached') > 1)
  t.is(counted(one.probes, 'reached'), 0)
  t.deepEqual(impostor.received, [])
})

test.serial('where another program has the port, any other one does', async t => {
  const one = await aHost(t, 'h1')
  const other = await aHost(t, 'h2', one.probes.endpoint)
  t.not(other.probes.endpoint, one.probes.endpoint)
})

test.serial('what was found of a peer is forgotten when it is one no more', async t => {
  t.timeout(60_000)
  const [one, other] = [await aHost(t, 'h1'), await aHost(t, 'h2')]
  meet(one, other)
  await until(() => reaches(one) === true)
  one.probes.setPeers({ print: 'q', probe: [], admit: [] })
  t.deepEqual([one.probes.results(), one.probes.print], [[], 'q'])
})

test.serial('a look that its own host has slept through says nothing', async t => {
  t.timeout(60_000)
  let isAsleep = true
  const sleeper: Clock = {
    ...realClock,
    sleep: (ms, signal) => realClock.sleep(isAsleep ? ms + 700 : ms, signal)
  }
  const one = await aHost(t, 'h1', anyPort, sleeper)
  const peer = { host: 'h2', endpoint: 'tcp://127.0.0.1:9', publicKey: makeKeys().publicKey }
  one.probes.setPeers({ print: 'p', probe: [peer], admit: [] })
  await until(() => counted(one.probes, 'overslept') > 1)
  t.deepEqual(one.probes.results(), [])
  isAsleep = false
  await until(() => reaches(one) === false)
})
