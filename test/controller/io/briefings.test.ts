import test from 'ava'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { makeSigningKeys } from '#shared/wire/bootstrap.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import { renewBootstrap } from '../../../controller/core/bootstrap.ts'
import type { Mesh } from '../../../controller/core/ports.ts'
import { Briefings } from '../../../controller/io/briefings.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const memory = { memoryMib: 4_608 }

/** Briefings of a cloud whose mesh only notes what it is to send. */
function begin() {
  const cloud = sampleCloud({ h1: memory, h2: memory })
  const clock = new FakeClock({ now: 10_000 })
  const sent: (readonly [HostId, ToAgent])[] = []
  let recorded = Promise.resolve()
  const send = (host: HostId, message: ToAgent): void => void sent.push([host, message])
  const briefings = new Briefings({
    view: cloud.view,
    mesh: { send } as Mesh,
    durable: () => recorded,
    clock,
    log: silentLog
  })
  const hold = () => {
    const writing = Promise.withResolvers<void>()
    recorded = writing.promise
    return writing.resolve
  }
  const hear = async (host: string, fields: object): Promise<readonly ToAgent['type'][]> => {
    sent.length = 0
    cloud.report(host, { number: 99, ...fields })
    briefings.heard(cloud.host(host), cloud.view.heard(host).report!)
    await clock.settle()
    return sent.map(([, { type }]) => type)
  }
  return { cloud, clock, sent, briefings, hear, hold }
}

function renew(cloud: SampleCloud, names: readonly string[]): void {
  const cards = names.map(name => ({
    name,
    apiUrl: '',
    meshKey: name.padEnd(40, 'm'),
    doorEndpoint: '',
    doorKey: name.padEnd(40, 'd')
  }))
  const wish = { cards, ensemble: [], newKeys: makeSigningKeys }
  cloud.commit(renewBootstrap(cloud.view, wish, cloud.context)!)
}

test('a host is told the list until it says that it keeps it, but not in each breath', async t => {
  const { cloud, clock, hear } = begin()
  t.deepEqual(await hear('h1', {}), [], 'there is none')
  renew(cloud, ['c1'])
  t.deepEqual(await hear('h1', {}), ['bootstrap'])
  t.deepEqual(await hear('h1', {}), [])
  await clock.pass(1_000)
  t.deepEqual(await hear('h1', { bootstrapVersion: 0 }), ['bootstrap'])
  await clock.pass(1_000)
  t.deepEqual(await hear('h1', { bootstrapVersion: 1 }), [])
})

test('a list that has changed is told to all that are heard at once', async t => {
  const { cloud, clock, sent, briefings, hear } = begin()
  renew(cloud, ['c1'])
  for (const host of ['h1', 'h2']) await hear(host, {})
  sent.length = 0
  renew(cloud, ['c1', 'c2'])
  briefings.renewed()
  await clock.settle()
  t.deepEqual(
    sent.map(([, message]) => message.type === 'bootstrap' && message.signed.bootstrap.version),
    [2, 2]
  )
})

test('nothing leaves before it is recorded', async t => {
  const { cloud, clock, sent, hear, hold } = begin()
  const done = hold()
  renew(cloud, ['c1'])
  t.deepEqual(await hear('h1', {}), [])
  done()
  await clock.settle()
  t.is(sent.length, 1)
})

test('a version that a host claims and that cannot be is not believed', async t => {
  const { cloud, briefings, hear } = begin()
  renew(cloud, ['c1'])
  await hear('h1', { bootstrapVersion: 7 })
  t.is(briefings.versionSeen, 7)
  await hear('h2', { bootstrapVersion: Number.MAX_SAFE_INTEGER })
  t.is(briefings.versionSeen, 7)
})

test('hosts that can be looked for are told their peers, until they go by them', async t => {
  const { cloud, clock, sent, hear } = begin()
  const at = (host: string): string => cloud.host(host).decided.endpoint.replace(/\d+$/, '7413')
  await hear('h2', { probeEndpoint: at('h2') })
  await clock.pass(1_000)
  t.deepEqual(await hear('h1', { probeEndpoint: at('h1') }), ['peers'])
  const [, peers] = sent[0]!
  if (peers.type !== 'peers') return t.fail()
  const { uuid, publicKey } = cloud.host('h2').decided
  t.deepEqual(peers.probe, [{ host: uuid, endpoint: at('h2'), publicKey }])
  t.deepEqual(peers.admit, [publicKey])
  await clock.pass(1_000)
  t.deepEqual(await hear('h1', { probeEndpoint: at('h1'), peersPrint: peers.print }), [])
  await clock.pass(1_000)
  t.deepEqual(await hear('h2', { probeEndpoint: 'tcp://10.9.9.9:80' }), [], 'it is elsewhere')
})
