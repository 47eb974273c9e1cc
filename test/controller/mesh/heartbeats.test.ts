import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { LoopLag } from '#shared/loop-lag.ts'
import { beat } from '#shared/wire/beat.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import { sendHeartbeats as sendToController } from '../../../agent/io/heartbeats.ts'
import { sendHeartbeats as sendToAgents } from '../../../controller/io/heartbeats.ts'
import { neverLate } from '../../world/fake-clock.ts'
import { FakeNet } from '../../world/fake-mesh.ts'
import { until } from '../../world/reading.ts'

/** Its time passes only by sleeping, and then by as much more as it is told to be late. */
function steppedClock(lateMs: readonly number[] = []): Clock & { readonly slept: number[] } {
  let now = 0
  const slept: number[] = []
  return {
    slept,
    wall: () => now,
    monotonic: () => now,
    sleep: async durationMs => {
      now += durationMs + (lateMs[slept.length] ?? 0)
      slept.push(durationMs)
      await setImmediate()
    },
    lag: () => neverLate
  }
}

test('a heartbeat is sent at once and then every 500 ms, numbered', async t => {
  const clock = steppedClock()
  const stop = new AbortController()
  const sent: (readonly [number, number])[] = []
  const send = (number: number): void => {
    sent.push([number, clock.monotonic()])
    if (number === 4) stop.abort()
  }
  await beat({ clock }, send, stop.signal)
  t.deepEqual(sent, [
    [1, 0],
    [2, 500],
    [3, 1_000],
    [4, 1_500]
  ])
})

test('a late beat is followed by an earlier one, and missed ones are not made up for', async t => {
  const clock = steppedClock([200, 0, 5_000])
  const stop = new AbortController()
  const send = (number: number): void => {
    if (number === 6) stop.abort()
  }
  await beat({ clock }, send, stop.signal)
  t.deepEqual(clock.slept.slice(0, 5), [500, 300, 500, 0, 500])
})

test('both sides say their epoch, their generation and how late their loop is', async t => {
  const net = new FakeNet()
  const hosts = ['host-alpha', 'host-beta'] as HostId[]
  const seats = await Promise.all(hosts.map(host => net.agent(host)))
  const mesh = net.controller(() => 3)
  mesh.setPeers(seats.map(seat => seat.peer))
  const stop = new AbortController()
  const { signal } = stop
  const everyone = [...hosts, 'host-gone' as HostId]
  const values = {
    epoch: () => 3,
    hosts: () => everyone.map((host, index) => ({ host, generation: 40 + index }))
  }
  const seen = () => ({ epoch: 3, generation: 41 })
  const toAgent: ToAgent[] = []
  const toController: ToController[] = []
  const loops = [
    sendToAgents({ mesh, clock: steppedClock(), values }, signal),
    sendToController({ mesh: seats[1]!.mesh, clock: steppedClock(), values: { seen } }, signal),
    (async () => {
      for await (const message of seats[1]!.mesh.messages(signal)) toAgent.push(message)
    })(),
    (async () => {
      for await (const message of mesh.messages(signal)) {
        if (message.type === 'message') toController.push(message.message)
      }
    })()
  ]
  await until(() => toAgent.length > 1 && toController.length > 1)
  stop.abort()
  await Promise.all(loops)
  t.like(toAgent[0], { type: 'heartbeat', epoch: 3, generation: 41 })
  t.like(toController[0], { type: 'heartbeat', epoch: 3, generation: 41 })
})

test('a loop that was blocked says by how much it was late', async t => {
  using lag = new LoopLag()
  const turn = () => new Promise(resolve => setTimeout(resolve, 30))
  await turn()
  lag.take()
  await turn()
  const until = performance.now() + 300
  while (performance.now() < until);
  await turn()
  t.true(lag.take() >= 200)
})
