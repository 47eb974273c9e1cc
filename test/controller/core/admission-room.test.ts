/** What counts as room on a host, and what is judged of it. */
import test from 'ava'
import type { ReportInstance } from '#shared/wire/order.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { capacityOf } from '../../../controller/core/capacity.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { instanceIntent, type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const web = (cloud: SampleCloud) => cloud.view.named('instance', 'web', 'default')!
const promisedMib = (cloud: SampleCloud) =>
  capacityOf(cloud.view, cloud.host('h1'))?.memoryPromisedMib
const power = (cloud: SampleCloud, power: 'running' | 'stopped'): Intent => ({
  verb: 'power',
  id: web(cloud).id,
  power
})
const seen = (cloud: SampleCloud, power: ReportInstance['power']): ReportInstance => ({
  id: web(cloud).id,
  generation: 1,
  power,
  reason: power,
  message: '',
  startCount: 1,
  restartNeeded: false
})

test('an instance that shuts down has its memory until its host says that it is gone', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web', { memoryMib: 3_000 }))
  cloud.report('h1', { number: 2, instances: [seen(cloud, 'running')] })
  cloud.done(power(cloud, 'stopped'))
  t.is(promisedMib(cloud), 3_000)
  const other = cloud.judged(instanceIntent('other', { memoryMib: 2_000 }))
  t.true(isRefusal(other), 'both would have more than there is')
  t.false(isRefusal(cloud.judged(power(cloud, 'running'))), 'it may run on with what it has')
  cloud.report('h1', { number: 3, instances: [seen(cloud, 'stopping')] })
  t.is(promisedMib(cloud), 3_000)
  cloud.report('h1', { number: 4, instances: [seen(cloud, 'stopped')] })
  t.is(promisedMib(cloud), 0)
  cloud.done(instanceIntent('other', { memoryMib: 2_000 }))
  t.true(isRefusal(cloud.judged(power(cloud, 'running'))))
})

test('a deleted instance has its memory as long as it runs', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web', { memoryMib: 3_000 }))
  cloud.report('h1', { number: 2, instances: [seen(cloud, 'running')] })
  cloud.done({ verb: 'delete', kind: 'instance', id: web(cloud).id })
  t.is(promisedMib(cloud), 3_000)
})

test('a host whose pool has failed takes no instance that needs it', t => {
  const cloud = sampleCloud()
  const pool = { name: 'local', phase: 'failed' as const, message: 'input/output error' }
  cloud.report('h1', { number: 2, pools: [{ ...pool, capacityMib: 0, freeMib: 0 }] })
  const verdict = cloud.judged(instanceIntent('web'))
  t.regex(JSON.stringify(verdict), /h1: pool local cannot be used: input\/output error/)
})

test('hosts that nobody has let in make no instance wait that finds no room', t => {
  const cloud = sampleCloud()
  const stranger = { uuid: 'u', hostname: 'h2', publicKey: 'k', endpoint: 'tcp://x:1' }
  cloud.done({ verb: 'join', wish: { ...stranger, trusted: false } })
  t.true(isRefusal(cloud.judged(instanceIntent('web', { memoryMib: 9_999 }))))
})

test('a host that is closed or silent keeps what it has: it may be started and stopped', t => {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web', { desiredPower: 'stopped' }))
  const { id, spec } = cloud.host('h1')
  const closed = { ...spec, schedulable: false }
  cloud.done({ verb: 'change', kind: 'host', id, labels: {}, spec: closed })
  t.true(isRefusal(cloud.judged(instanceIntent('other'))))
  cloud.done(power(cloud, 'running'))
  t.is(web(cloud).spec.desiredPower, 'running')
})

test('a plug that was to be pulled is forgotten with the next wish, however it is said', t => {
  const cloud = sampleCloud()
  const ordered = () =>
    orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: () => 'u' }).instances[0]
  cloud.done(instanceIntent('web', { stopGraceMs: 9_000 }))
  cloud.done({ verb: 'restart', id: web(cloud).id, force: true })
  t.true(ordered()?.pullPlug)
  t.is(ordered()?.stopGraceMs, 9_000)
  const wished = (changes: object): Intent => ({
    verb: 'change',
    kind: 'instance',
    id: web(cloud).id,
    labels: {},
    spec: { ...web(cloud).spec, ...changes }
  })
  cloud.done(wished({ priority: 7 }))
  t.true(ordered()?.pullPlug, 'nothing was said of its power')
  cloud.done(wished({ desiredPower: 'stopped' }))
  t.is(ordered()?.pullPlug, undefined)
})

test('a host that is heard does not move, and does not change its key', t => {
  const cloud = sampleCloud()
  const known = cloud.host('h1').decided
  const wish = { hostname: 'h1', ...known, trusted: true }
  for (const other of [{ endpoint: 'tcp://10.9.9.9:1' }, { publicKey: 'z'.repeat(40) }]) {
    const verdict = cloud.judged({ verb: 'join', wish: { ...wish, ...other } })
    t.regex(JSON.stringify(verdict), /host h1 is heard at tcp:.*with its UUID uuid-h1/)
  }
  t.false(isRefusal(cloud.judged({ verb: 'join', wish })), 'it may knock as often as it likes')
  const later = { ...cloud.context.now, monotonic: cloud.context.now.monotonic + 60_000 }
  const moved = { ...wish, endpoint: 'tcp://10.9.9.9:1' }
  Object.assign(cloud.context, { now: later })
  cloud.done({ verb: 'join', wish: moved })
  t.is(cloud.host('h1').decided.endpoint, 'tcp://10.9.9.9:1')
})
