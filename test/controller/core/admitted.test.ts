/** What is recorded of wishes that are taken. */
import test from 'ava'
import type { Instance } from '#shared/model/instance.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { instanceIntent, type SampleCloud, sampleCloud, wishOf } from '../../world/sample-cloud.ts'

const create = (kind: 'volume', name: string, spec: object): Intent => ({
  verb: 'create',
  kind,
  name,
  spec: wishOf(kind, spec)
})

const web = (cloud: SampleCloud): Instance => cloud.view.named('instance', 'web', 'default')!

const changed = (cloud: SampleCloud, spec: object): Intent => ({
  verb: 'change',
  kind: 'instance',
  id: web(cloud).id,
  labels: {},
  spec: { ...web(cloud).spec, ...spec }
})

const withWeb = (cloud: SampleCloud): void => void cloud.done(instanceIntent('web'))

test('an instance gets its volume, port, address and host in one commit', t => {
  const cloud = sampleCloud()
  const { commit, placement } = cloud.done(instanceIntent('web'))
  t.deepEqual(
    commit.changes.map(change => change.op === 'put' && change.resource.name),
    ['web', 'web-root', 'web-0']
  )
  t.is(placement?.chosen?.name, 'h1')
  t.is(web(cloud).decided.host, 'h1')
  t.is(cloud.view.named('port', 'web-0', 'default')!.decided.address, '10.66.0.2')
  t.deepEqual(
    cloud.view.history('instance/web').map(({ verb }) => verb),
    ['created', 'placed']
  )
  t.regex(cloud.view.history('instance/web')[1]!.because, /placed on h1: h1 has the most free/)
})

test('the host with the largest free share of memory is chosen', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 8_704 } })
  cloud.done(instanceIntent('a', { memoryMib: 1_024 }))
  t.is(cloud.view.named('instance', 'a', 'default')!.decided.host, 'h1')
  cloud.done(instanceIntent('b', { memoryMib: 1_024 }))
  t.is(cloud.view.named('instance', 'b', 'default')!.decided.host, 'h2')
})

test('an instance waits unplaced while a host has not been heard, and is not refused', t => {
  const cloud = sampleCloud({})
  const wish = { uuid: 'u', hostname: 'h1', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  cloud.done({ verb: 'join', wish })
  cloud.done(instanceIntent('web'))
  t.is(web(cloud).decided.host, undefined)
  t.true(cloud.view.indexes.unplaced.has(web(cloud).id))
})

test('a free volume comes to the host of the instance that takes it', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 1_024 } })
  cloud.done(create('volume', 'early', { sizeMib: 10 }))
  cloud.done(create('volume', 'late', { sizeMib: 10 }))
  cloud.done(instanceIntent('web', { volumes: ['early'] }))
  const hostOf = (name: string) => cloud.view.named('volume', name, 'default')?.decided.host
  t.is(hostOf('early'), 'h1')
  t.is(hostOf('late'), undefined)
  cloud.done(changed(cloud, { volumes: ['early', 'late'] }))
  t.is(hostOf('late'), 'h1')
})

test('volumes on two hosts cannot come together in one instance', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_000 } })
  for (const [name, host] of [
    ['one', 'h1'],
    ['two', 'h2']
  ] as const) {
    cloud.done(create('volume', name, { sizeMib: 10 }))
    cloud.done(instanceIntent(`on-${host}`, { volumes: [name], host }))
    const { id } = cloud.view.named('instance', `on-${host}`, 'default')!
    const spec = { ...cloud.view.get('instance', id)!.spec, volumes: [] }
    cloud.done({ verb: 'change', kind: 'instance', id, labels: {}, spec })
  }
  const both = cloud.judged(instanceIntent('web', { volumes: ['one', 'two'] }))
  t.true(isRefusal(both))
  t.regex(JSON.stringify(both), /h1: the instance is bound to h2: volume two is there/)
  cloud.done(instanceIntent('web', { volumes: ['one'] }))
  const later = cloud.judged(changed(cloud, { volumes: ['one', 'two'] }))
  t.regex(JSON.stringify(later), /the instance is on h1, the volume on h2/)
})

test('more memory is judged on its own host, whatever another host has or may have', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_000 } })
  withWeb(cloud)
  const wish = { uuid: 'u', hostname: 'h3', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  cloud.done({ verb: 'join', wish })
  const verdict = cloud.judged(changed(cloud, { memoryMib: 5_000 }))
  t.regex(JSON.stringify(verdict), /\["h1: needs 4872 MiB, has 3968 MiB unpromised/)
})

test('a size that has changed since resizes nobody who is only stopped and started', t => {
  const cloud = sampleCloud()
  const spec = wishOf('instance', { image: 'tiny', size: 'tiny' })
  cloud.done({ verb: 'create', kind: 'instance', name: 'web', spec })
  const size = cloud.view.named('size', 'tiny')!
  const grown = { vcpus: 2, memoryMib: 256 }
  cloud.done({ verb: 'change', kind: 'size', id: size.id, labels: {}, spec: grown })
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'stopped' })
  t.is(web(cloud).decided.memoryMib, 128)
  cloud.done(changed(cloud, { size: 'small' }))
  t.is(web(cloud).decided.memoryMib, 512)
})

test('the same wish again changes nothing', t => {
  const cloud = sampleCloud()
  withWeb(cloud)
  t.deepEqual(cloud.done(changed(cloud, {})).commit.changes, [])
  t.is(web(cloud).generation, 1)
})

test('a stopped instance is promised no memory, and again when it is started', t => {
  const cloud = sampleCloud()
  withWeb(cloud)
  t.is(cloud.view.indexes.promised('h1').memoryMib, 128)
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'stopped' })
  t.is(cloud.view.indexes.promised('h1').memoryMib, 0)
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'running' })
  t.is(cloud.view.indexes.promised('h1').memoryMib, 128)
})

test('a forced stop pulls the plug once, and the next start forgets it', t => {
  const cloud = sampleCloud()
  withWeb(cloud)
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'stopped' })
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'stopped', force: true })
  t.true(web(cloud).decided.forced)
  cloud.done({ verb: 'power', id: web(cloud).id, power: 'running' })
  t.is(web(cloud).decided.forced, undefined)
  cloud.done({ verb: 'restart', id: web(cloud).id, force: true })
  t.true(web(cloud).decided.forced)
  cloud.done({ verb: 'restart', id: web(cloud).id })
  t.is(web(cloud).decided.forced, undefined)
})

test('a host without a token waits; with another key it is turned away', t => {
  const cloud = sampleCloud()
  const wish = { uuid: 'u2', hostname: 'h2.example', publicKey: 'k', endpoint: 'tcp://x:1' }
  cloud.done({ verb: 'join', wish: { ...wish, trusted: false } })
  t.is(cloud.host('h2').decided.approval, 'pending')
  const other = cloud.judged({ verb: 'join', wish: { ...wish, publicKey: 'z', trusted: false } })
  t.true(isRefusal(other) && other.refused.code === 'conflict')
  cloud.done({ verb: 'approve', id: cloud.host('h2').id })
  t.is(cloud.host('h2').decided.approval, 'approved')
})
