import test from 'ava'
import type { HostId } from '#shared/ids.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import { meshSuite } from '../../contracts/mesh.ts'
import { FakeNet } from '../../world/fake-mesh.ts'
import { counted, Reading } from '../../world/reading.ts'

meshSuite('the fake mesh', async () => new FakeNet())

const alpha = 'host-alpha' as HostId
const question = (number: number): ToAgent => ({
  type: 'question',
  number,
  ask: 'console-log',
  subject: 'i-1'
})

async function connected() {
  const net = new FakeNet()
  const { mesh: agent, peer } = await net.agent(alpha)
  const mesh = net.controller(() => 1)
  mesh.setPeers([peer])
  const ask = (number: number) => mesh.send(alpha, question(number))
  return { net, agent, mesh, ask }
}

test('held messages wait, and are let through in order, as many as are released', async t => {
  const { net, agent, ask } = await connected()
  net.hold(alpha)
  for (const number of [1, 2, 3]) ask(number)
  t.is(counted(agent, 'received'), 0)
  t.is(net.release(alpha, 2), 2)
  t.is(counted(agent, 'received'), 2)
  net.unhold(alpha)
  ask(4)
  await using reading = new Reading<ToAgent>(signal => agent.messages(signal))
  for (const number of [1, 2, 3, 4]) t.deepEqual(await reading.next(), question(number))
})

test('lost messages do not arrive, those after them do', async t => {
  const { net, agent, ask } = await connected()
  net.lose(alpha, 2)
  for (const number of [1, 2, 3]) ask(number)
  await using reading = new Reading<ToAgent>(signal => agent.messages(signal))
  t.deepEqual(await reading.next(), question(3))
})

test('a cut loses what was held and breaks the line, and a mended one connects again', async t => {
  const { net, agent, mesh, ask } = await connected()
  net.hold(alpha)
  ask(1)
  net.cut(alpha)
  t.throws(() => ask(2), { code: 'unavailable' })
  net.unhold(alpha)
  net.mend(alpha)
  ask(3)
  await using fromController = new Reading<ToAgent>(signal => agent.messages(signal))
  t.deepEqual(await fromController.next(), question(3))
  await using fromAgents = new Reading(signal => mesh.messages(signal))
  t.like(await fromAgents.next(), { type: 'disconnected' })
  t.like(await fromAgents.next(), { type: 'connected' })
})
