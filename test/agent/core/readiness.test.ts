/** When instances count as ready, and what is told of it. */
import test from 'ava'
import { uuidOf } from '#shared/ids.ts'
import type { Readiness } from '#shared/model/readiness.ts'
import type { OrderInstance } from '#shared/wire/order.ts'
import { callsOf, homeOf, homesOf } from '../../../agent/core/gates.ts'
import { type Gate, readinessOf, rememberGate } from '../../../agent/core/readiness.ts'
import { ModelWorld } from '../model-world.ts'
import { idOf, instance, network, order } from '../samples.ts'

const id = idOf('i', 1)

const wish = (readiness: Partial<Readiness>, more: Partial<OrderInstance> = {}) =>
  order({
    instances: [instance({ readiness: { timeoutMs: 10_000, late: 'wait', ...readiness }, ...more })]
  })

/** A world in which it runs, and a way to find something of its gates. */
function running(readiness: Partial<Readiness>) {
  const world = new ModelWorld(wish(readiness))
  world.run()
  const find = (gate: Gate, because?: string): void => {
    const { run } = world.memory.readiness.get(id)!
    const news = { instance: id, run, gate, because }
    world.memory = { ...world.memory, readiness: rememberGate(world.memory.readiness, news) }
    world.look()
  }
  const said = () =>
    readinessOf(world.order.instances[0]!, world.memory.readiness.get(id), world.now.monotonic)
  const told = () =>
    world.memory.notices.waiting
      .filter(({ reason }) => reason.includes('ready'))
      .map(({ severity, message }) => `${severity}: ${message}`)
  return { world, find, said, told }
}

test('without gates it is ready as soon as it runs, and nothing is told of that', t => {
  const { said, told } = running({})
  t.is(said()?.ready, 'ready')
  t.deepEqual(told(), [])
})

test('without a wish nothing is said of it', t => {
  const world = new ModelWorld()
  world.run()
  t.is(world.memory.readiness.size, 0)
})

test('it is ready once all of its gates are open', t => {
  const { find, said, told } = running({ tcp: 5432, phoneHome: true })
  t.like(said(), { ready: 'waiting' })
  find('tcp', 'ECONNREFUSED')
  t.regex(said()!.readyMessage, /TCP port 5432 of 10\.66\.0\.10 takes no call \(ECONNREFUSED\)/)
  find('tcp')
  t.regex(said()!.readyMessage, /^not ready for 0 ms of 10 s: it has not phoned home$/)
  find('phone-home')
  t.is(said()?.ready, 'ready')
  t.deepEqual(told(), [
    'notice: acme/web is ready 0 ms after it was first seen running: ' +
      'TCP port 5432 of 10.66.0.10 takes calls, it has phoned home'
  ])
})

test('it is late when its time is over, which is told once, and may be ready after all', t => {
  const { world, find, said, told } = running({ tcp: 5432 })
  world.run({ forMs: 9_999 })
  t.is(said()?.ready, 'waiting')
  world.run({ forMs: 1 })
  t.is(said()?.ready, 'late')
  world.run({ forMs: 60_000 })
  find('tcp')
  t.is(said()?.ready, 'ready')
  t.deepEqual(told(), [
    'alarm: acme/web is not ready for 10 s: TCP port 5432 of 10.66.0.10 takes no call; ' +
      'those after it wait on (readiness.late)',
    'notice: acme/web is ready 70 s after it was first seen running: ' +
      'TCP port 5432 of 10.66.0.10 takes calls'
  ])
})

test('a guest agent is seen with the domain, and what was ready stays so until the run ends', t => {
  const { world, said } = running({ guestAgent: true })
  t.is(said()?.ready, 'waiting')
  world.domains = world.domains.map(domain => ({ ...domain, guestAgent: true }))
  world.look()
  t.is(said()?.ready, 'ready')
  world.domains = world.domains.map(({ guestAgent: _, ...domain }) => domain)
  world.look()
  t.is(said()?.ready, 'ready')
  world.end(uuidOf(id), 'crashed')
  world.run({ forMs: 1_000 })
  t.is(said()?.ready, 'waiting')
})

test('what was found of an earlier run says nothing of this one', t => {
  const { world, said } = running({ tcp: 80 })
  const news = { instance: id, run: 'another', gate: 'tcp' as const }
  t.is(rememberGate(world.memory.readiness, news), world.memory.readiness)
  t.is(said()?.ready, 'waiting')
})

test('a call home that is on record need not come again', t => {
  const { world, said } = running({ phoneHome: true })
  const { run } = world.memory.readiness.get(id)!
  world.take(wish({ phoneHome: true }, { phonedHome: run }))
  world.look()
  t.is(said()?.ready, 'ready')
})

test('a port is called until it was open once', t => {
  const { world, find } = running({ tcp: 80 })
  const { run } = world.memory.readiness.get(id)!
  const calls = () => callsOf(world.order, world.memory.readiness)
  t.deepEqual(calls(), [{ instance: id, run, address: '10.66.0.10', port: 80 }])
  find('tcp')
  t.deepEqual(calls(), [])
})

test('one phones home at the gateway of its first port, if its host is that', t => {
  const [web] = wish({ phoneHome: true }).instances
  t.is(homeOf({ networks: [network()] }, web!), '10.66.0.1')
  t.is(homeOf({ networks: [network({ nat: false })] }, web!), '10.66.0.1')
  t.is(homeOf({ networks: [network({ nat: false, uplink: 'eth1' })] }, web!), undefined)
  t.is(homeOf({ networks: [network()] }, { ports: web!.ports }), undefined)
  const homes = homesOf(wish({ phoneHome: true }))
  t.deepEqual([...homes], [['10.66.0.1', new Map([['10.66.0.10', id]])]])
})
