/** A controller that dials many hosts at once, some of which are not there. */
import test from 'ava'
import type { HostId } from '#shared/ids.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { MeshMessage } from '../../../controller/core/ports.ts'
import { dialsMax } from '../../../controller/io/mesh.ts'
import { aReport } from '../../world/messages.ts'
import { counted, Reading, until } from '../../world/reading.ts'
import { RealMeshRig } from '../../world/real-mesh.ts'

test.serial('hosts that are not there hold up none of those that are', async t => {
  t.timeout(120_000)
  await using rig = new RealMeshRig()
  const { publicKey } = makeKeys()
  const away = Array.from({ length: dialsMax * 2 }, (_, index) => ({
    host: `away-${index}` as HostId,
    endpoint: `tcp://127.9.${index >> 8}.${index & 255}:1`,
    publicKey
  }))
  const { peer } = await rig.agent('here' as HostId)
  const mesh = rig.controller(() => 1)
  mesh.setPeers([...away, peer])
  t.is(counted(mesh, 'dials'), dialsMax)
  await until(() => counted(mesh, 'connects') === 1)
  t.pass()
})

test.serial('each of many hosts that are dialled at once answers with its report', async t => {
  t.timeout(120_000)
  await using rig = new RealMeshRig()
  const count = dialsMax + 72
  const peers = []
  for (let index = 0; index < count; index++) {
    const host = `host-${index}` as HostId
    const { mesh: agent, peer } = await rig.agent(host)
    agent.send(aReport({ host, number: index }))
    peers.push(peer)
  }
  const mesh = rig.controller(() => 1)
  mesh.setPeers(peers)
  const silent = new Set<string>(peers.map(({ host }) => host))
  const stop = new AbortController()
  const patience = setTimeout(() => stop.abort(), 100_000)
  for await (const said of mesh.messages(stop.signal)) {
    if (said.type === 'connected') {
      const hello = { type: 'heartbeat' as const, number: 1, loopLagMs: 0, epoch: 1, generation: 0 }
      mesh.send(said.host, hello)
    }
    if (said.type === 'message' && said.message.type === 'report') silent.delete(said.host)
    if (silent.size === 0) break
  }
  clearTimeout(patience)
  t.deepEqual([...silent], [])
})

test.serial('a line on which nothing comes in is dialled anew, and serves again', async t => {
  t.timeout(120_000)
  await using rig = new RealMeshRig()
  const here = 'here' as HostId
  const { mesh: agent, peer } = await rig.agent(here)
  const mesh = rig.controller(() => 1, rig.controllerKeys, { silenceMsMax: 1_000 })
  await using reading = new Reading<MeshMessage>(signal => mesh.messages(signal))
  mesh.setPeers([peer])
  const lost = await reading.next(({ type }) => type === 'disconnected')
  t.like(lost, { because: 'nothing was heard for 1 s' })
  t.true(counted(mesh, 'silentLines') >= 1)
  await reading.next(({ type }) => type === 'connected')
  const hello = { type: 'heartbeat' as const, number: 1, loopLagMs: 0, epoch: 1, generation: 0 }
  mesh.send(here, hello)
  agent.send(aReport({ host: here, number: 1 }))
  const heard = await reading.next(({ type }) => type === 'message')
  t.like(heard, { host: here, message: { type: 'report' } })
})
