import test from 'ava'
import type { Instance } from '#shared/model/instance.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { replyKeptMs } from '../../../controller/core/decide.ts'
import { documentOf } from '../../../controller/core/documents.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { whyOf } from '../../../controller/core/why.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts
} from '../../world/sample-cloud.ts'

const web = (cloud: SampleCloud): Instance => cloud.view.named('instance', 'web', 'default')!
const order = (cloud: SampleCloud) =>
  orderFor(cloud.view, cloud.host('h1'), { epoch: 3, imageUrl: image => `http://c/${image.id}` })

const seen = (cloud: SampleCloud, changes: Partial<ReportInstance> = {}): ReportInstance => ({
  id: web(cloud).id,
  generation: 1,
  power: 'running',
  reason: 'running',
  message: 'runs since 00:00',
  startCount: 1,
  restartNeeded: false,
  ...changes
})

function round(cloud: SampleCloud): readonly string[] {
  const commits = decidedBy(cloud)
  return commits.flatMap(({ decisions }) =>
    decisions.map(({ verb, because }) => `${verb}: ${because}`)
  )
}

test('an order holds all that a host should: images, volumes, networks, instances', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web', { sshKeys: ['ssh-ed25519 AAAAAAAAAAAAAAAA'] }))
  const { images, volumes, networks, instances, epoch, generation, cloud: id } = order(cloud)
  t.is(id, 'c-1')
  t.is(epoch, 3)
  t.is(generation, cloud.view.position)
  t.deepEqual(
    images.map(({ name }) => name),
    ['tiny']
  )
  t.deepEqual(
    volumes.map(({ name, desired }) => [name, desired]),
    [['web-root', 'present']]
  )
  t.deepEqual(networks[0]?.subnets, [{ cidr: '10.66.0.0/24', gateway: '10.66.0.1', dns: [] }])
  t.deepEqual(
    instances.map(({ name, desiredPower }) => [name, desiredPower]),
    [['web', 'running']]
  )
})

test('a deleted instance leaves the order at once, and its record when its host says so', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web'))
  cloud.report('h1', { number: 2, generation: order(cloud).generation, instances: [seen(cloud)] })
  const volume = web(cloud).decided.volumes[0]!
  const running = [seen(cloud)]
  cloud.done({ verb: 'delete', kind: 'instance', id: web(cloud).id })
  const { generation, instances } = order(cloud)
  t.deepEqual(instances, [])
  t.deepEqual(round(cloud), [], 'nobody has said that it is gone')
  cloud.report('h1', { number: 3, generation, instances: running })
  t.deepEqual(round(cloud), [], 'it still runs')
  cloud.report('h1', { number: 4, generation })
  t.deepEqual(round(cloud), ['deleted: h1 reports that it no longer runs'])
  t.deepEqual(
    order(cloud).volumes.map(({ id, desired }) => [id, desired]),
    [[volume, 'absent']]
  )
  const gone = { id: volume, phase: 'absent' as const, message: '', sizeMib: 0, usedMib: 0 }
  cloud.report('h1', { number: 5, generation: order(cloud).generation, volumes: [gone] })
  t.deepEqual(round(cloud), ['deleted: h1 reports that it is removed'])
  t.is(cloud.view.all('volume').size, 0)
  t.is(cloud.view.all('port').size, 0)
})

test('an instance that waited is placed once a host is heard', t => {
  const cloud = sampleCloud({})
  const wish = { uuid: 'u', hostname: 'h1', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  cloud.done({ verb: 'join', wish })
  cloud.done(instanceIntent('web'))
  t.deepEqual(round(cloud), [])
  cloud.report('h1', { facts: sampleFacts('h1', 4_096) })
  t.regex(round(cloud)[0] ?? '', /^placed: placed on h1/)
  t.is(web(cloud).decided.host, 'h1')
  t.is(cloud.view.get('volume', web(cloud).decided.volumes[0]!)?.decided.host, 'h1')
})

test('what an agent saw goes into the history once, and is counted as a notification', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web'))
  const notice = (number: number) => ({
    number,
    at: '2026-01-01T00:00:01Z',
    subject: web(cloud).id,
    reason: 'instance-ended',
    message: 'destroyed from outside',
    severity: 'warning' as const
  })
  cloud.report('h1', { number: 2, notices: [notice(1), notice(2)] })
  t.deepEqual(round(cloud), Array(2).fill('instance-ended: destroyed from outside'))
  cloud.report('h1', { number: 3, notices: [notice(1), notice(2)] })
  t.deepEqual(round(cloud), [], 'they are kept already')
  t.is(order(cloud).noticesKept, 2)
  const [event] = cloud.view.all('event').values()
  t.is(event?.decided.count, 2)
  t.is(event?.spec.subject, 'instance/web')
  cloud.report('h1', { number: 1, agentRun: 'next', notices: [notice(1)] })
  t.is(round(cloud).length, 1, 'another run counts anew')
  t.is([...cloud.view.all('event').values()][0]?.decided.count, 3)
})

test('a status says why an instance is not as desired', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web'))
  const ready = () =>
    documentOf(cloud.view, web(cloud), cloud.context.now).conditions.find(
      ({ type }) => type === 'ready'
    )
  t.is(ready()?.reason, 'ordered')
  const waiting = seen(cloud, { power: 'waiting', reason: 'restart-wait', message: 'waits 4 s' })
  cloud.report('h1', { number: 2, instances: [waiting] })
  t.is(ready()?.message, 'should be running, is waiting: waits 4 s')
  cloud.report('h1', { number: 3, instances: [seen(cloud)] })
  t.is(ready()?.status, 'true')
  const late = { ...cloud.context.now, monotonic: cloud.context.now.monotonic + 9_000 }
  const silent = documentOf(cloud.view, web(cloud), late)
  t.is(silent.status['phase'], 'unknown')
  t.regex(
    silent.conditions.at(-1)!.message,
    /its host h1 is silent for 9 s; it may well be running/
  )
})

test('why tells of every host what it lacks', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 1_024 }, h2: { memoryMib: 2_048 } })
  const wish = { uuid: 'u', hostname: 'h3', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  cloud.done({ verb: 'join', wish })
  cloud.done(instanceIntent('web', { memoryMib: 4_000 }))
  const { placement, summary } = whyOf(cloud.view, web(cloud), cloud.context.now)
  t.deepEqual(placement?.rejected, [
    { host: 'h1', because: 'needs 4000 MiB, has 512 MiB unpromised (of 512 MiB, 0 MiB promised)' },
    {
      host: 'h2',
      because: 'needs 4000 MiB, has 1536 MiB unpromised (of 1536 MiB, 0 MiB promised)'
    },
    { host: 'h3', because: 'its agent has not been heard by this controller yet' }
  ])
  t.is(summary[0], 'instance/web is pending')
})

test('what two hosts report of one thing is one notification', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_608 } })
  const notice = {
    number: 1,
    at: '2026-01-01T00:00:01Z',
    subject: cloud.view.named('network', 'default', 'default')!.id,
    reason: 'network-failed',
    message: 'no such uplink',
    severity: 'warning' as const
  }
  cloud.report('h1', { number: 2, notices: [notice] })
  cloud.report('h2', { number: 2, notices: [notice] })
  t.is(round(cloud).length, 2)
  t.deepEqual(
    [...cloud.view.all('event').values()].map(({ decided }) => decided.count),
    [2]
  )
})

test('volumes with which an instance was started are never ordered anew', t => {
  const cloud = sampleCloud()
  const { id } = cloud.done(instanceIntent('web')).resource
  const isUsed = () => order(cloud).volumes.map(volume => volume.isUsed ?? false)
  t.deepEqual(isUsed(), [false])
  const at = '2026-01-01T00:00:01Z'
  const said = { message: 'was started', severity: 'notice' as const, reason: 'instance-started' }
  cloud.report('h1', { number: 2, notices: [{ number: 1, at, subject: id, ...said }] })
  round(cloud)
  t.deepEqual(isUsed(), [true])
})

test('many that wait are placed in one round, and none beyond what a host has', t => {
  const cloud = sampleCloud({})
  const wish = { uuid: 'u', hostname: 'h1', publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  cloud.done({ verb: 'join', wish })
  for (const name of ['a', 'b', 'c', 'd']) cloud.done(instanceIntent(name, { memoryMib: 1_024 }))
  cloud.report('h1', { facts: sampleFacts('h1', 512 + 3 * 1_024) })
  t.is(round(cloud).length, 3)
  t.is(cloud.view.indexes.promised('h1').memoryMib, 3 * 1_024)
  t.is(cloud.view.indexes.unplaced.size, 1)
})

test('many notices of one report are taken into the journal over several commits', t => {
  const cloud = sampleCloud()
  const notices = Array.from({ length: 256 }, (_, at) => ({
    number: at + 1,
    at: '2026-01-01T00:00:01Z',
    subject: 'i-1',
    reason: `reason-${at}`,
    message: '€'.repeat(2_048),
    severity: 'notice' as const
  }))
  cloud.report('h1', { number: 2, notices })
  let said = 0
  for (let rounds = 0; rounds < 20; rounds += 1) {
    for (const commit of decidedBy(cloud)) {
      said += commit.decisions.length
      t.true(JSON.stringify(commit).length < 2 ** 20)
    }
  }
  t.is(said, 256)
  t.is(order(cloud).noticesKept, 256)
})

test('old replies are forgotten some at a time', t => {
  const cloud = sampleCloud()
  const at = new Date(cloud.context.now.wall - 2 * replyKeptMs).toISOString()
  for (let number = 0; number < 2_500; number += 1) {
    const reply = { key: `admin ${number}`, bodySha256: '', status: 201, subject: 'x', at }
    cloud.commit({ changes: [{ op: 'reply-put', reply }], decisions: [] })
  }
  for (let rounds = 0; rounds < 3; rounds += 1) {
    for (const { changes } of decidedBy(cloud)) t.true(changes.length <= 1_000)
  }
  t.is(cloud.view.replies().size, 0)
})
