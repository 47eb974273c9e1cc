/** Who may be started now, by what hosts report, and who is refused to come after whom. */
import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { hostsToTell, isHeld, noteStartWaits } from '../../../controller/core/start-order.ts'
import type { Moment } from '../../../controller/core/view.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud
} from '../../world/sample-cloud.ts'

const named = ({ view }: SampleCloud, name: string): Instance =>
  view.named('instance', name, 'default')!

const said = (
  { id, generation }: Instance,
  power: ReportInstance['power'],
  more: Partial<ReportInstance> = {}
): ReportInstance => ({
  id,
  generation,
  power,
  reason: power,
  message: power,
  startCount: 1,
  restartNeeded: false,
  ...more
})

/** Reports for h1 how each of these instances is. */
function report(
  cloud: SampleCloud,
  how: Readonly<Record<string, readonly [ReportInstance['power'], Partial<ReportInstance>?]>>
): void {
  const instances = Object.entries(how).map(([name, [power, more]]) =>
    said(named(cloud, name), power, more)
  )
  const { facts } = cloud.view.heard('h1').report!
  cloud.report('h1', { ...(facts && { facts }), instances })
}

/** A database, and what comes after it. */
function pair(readiness?: object): SampleCloud {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('db', readiness && { readiness }))
  cloud.done(instanceIntent('web', { after: ['db'] }))
  return cloud
}

const later = ({ context }: SampleCloud, ms: number): Moment => ({
  monotonic: context.now.monotonic + ms,
  wall: context.now.wall + ms
})

const held = (cloud: SampleCloud, now: Moment = cloud.context.now): boolean =>
  isHeld(cloud.view, named(cloud, 'web'), now)

const tcp = { tcp: 5432 }
const table: readonly {
  readonly readiness?: object
  readonly db: readonly [ReportInstance['power'], Partial<ReportInstance>?] | undefined
  readonly held: boolean
}[] = [
  { db: undefined, held: true },
  { db: ['starting'], held: true },
  { db: ['failed'], held: true },
  { db: ['running'], held: false },
  { readiness: {}, db: ['running'], held: false },
  { readiness: tcp, db: ['running'], held: true },
  { readiness: tcp, db: ['running', { ready: 'waiting' }], held: true },
  { readiness: tcp, db: ['running', { ready: 'ready' }], held: false },
  { readiness: tcp, db: ['stopping', { ready: 'ready' }], held: true },
  { readiness: tcp, db: ['running', { ready: 'late' }], held: true },
  { readiness: { ...tcp, late: 'go-on' }, db: ['running', { ready: 'late' }], held: false }
]

for (const { readiness, db, held: expected } of table) {
  const wish = JSON.stringify(readiness ?? 'nothing')
  test(`after one that wishes ${wish} and is ${JSON.stringify(db)}: held ${expected}`, t => {
    const cloud = pair(readiness)
    if (db) report(cloud, { db, web: ['waiting'] })
    t.is(held(cloud), expected)
    const context = { epoch: 1, imageUrl: () => '', now: cloud.context.now }
    const order = orderFor(cloud.view, cloud.host('h1'), context)
    t.is(order.instances.find(({ name }) => name === 'web')?.hold === true, expected)
  })
}

test('one that is stopped, paused or goes is not waited for', t => {
  for (const power of ['stopped', 'paused'] as const) {
    const cloud = pair()
    if (power === 'paused') report(cloud, { db: ['running'] })
    cloud.done({ verb: 'power', id: named(cloud, 'db').id, power })
    cloud.report('h1')
    t.false(held(cloud), power)
  }
})

test('a host that is not heard any more says nothing of who is ready', t => {
  const cloud = pair()
  report(cloud, { db: ['running'] })
  t.false(held(cloud, later(cloud, 4_000)))
  t.true(held(cloud, later(cloud, 6_000)))
})

test('who waits too long says so once, with why; who need not wait for ever goes on', t => {
  for (const late of ['wait', 'go-on'] as const) {
    const cloud = pair({ timeoutMs: 20_000, late })
    report(cloud, { db: ['failed', { message: 'its emulator is not there' }], web: ['waiting'] })
    noteStartWaits(cloud.view, cloud.context.now)
    const context = { ...cloud.context, by: 'controller', now: later(cloud, 20_000) }
    report({ ...cloud, context }, { db: ['failed'] })
    const at = { ...cloud, context: { ...context } }
    cloud.view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, at: context.now })
    noteStartWaits(cloud.view, context.now)
    t.is(held(cloud, context.now), late === 'wait')
    const told = decidedBy(at).flatMap(({ decisions }) => decisions.map(one => one))
    t.deepEqual(
      told.map(({ verb }) => verb),
      [late === 'wait' ? 'start-waits' : 'start-goes-on']
    )
    t.regex(told[0]!.because, /^(waits for|starts without) db for 20 s: it is failed: /)
    t.deepEqual(decidedBy(at), [])
  }
})

test('a host is told anew when another one may start, and again when it has missed that', t => {
  const cloud = pair()
  report(cloud, { db: ['starting'], web: ['waiting', { reason: 'others-not-ready' }] })
  const web = named(cloud, 'web').id
  const at = cloud.context.now.monotonic
  const sent = (ids: readonly string[]) => ({
    saidOfStarts: () => ({ held: new Set(ids), startsMax: 4, at })
  })
  const tell = (ids: readonly string[], ms = 0) => [
    ...hostsToTell(cloud.view, sent(ids), later(cloud, ms))
  ]
  t.deepEqual(tell([web]), [])
  t.deepEqual(tell([]), ['h1'])
  report(cloud, { db: ['running'], web: ['waiting', { reason: 'others-not-ready' }] })
  t.deepEqual(tell([web]), ['h1'])
  t.deepEqual(tell([]), [])
  t.deepEqual(tell([], 1_000), ['h1'])
})

test('what ran when it was moved waits for nobody, until it loses its host', t => {
  const cloud = pair()
  report(cloud, { db: ['failed'] })
  const note = (verb: string, by: string): void => {
    const because = {
      at: '2026-01-01T00:00:00Z',
      by,
      verb,
      because: '',
      subjects: ['instance/web']
    }
    cloud.commit({ changes: [], decisions: [because] })
  }
  t.true(held(cloud))
  note('moved', 'controller')
  note('instance-stopped', 'agent/h1')
  t.false(held(cloud))
  note('evacuated', 'controller')
  t.true(held(cloud))
})

test('a name is refused that is not there, and one that is named is not deleted', t => {
  const cloud = pair()
  const nobody = cloud.judged(instanceIntent('x', { after: ['nobody'] }))
  t.true(isRefusal(nobody) && nobody.refused.code === 'not-found')
  const gone = cloud.judged({ verb: 'delete', kind: 'instance', id: named(cloud, 'db').id })
  t.true(isRefusal(gone))
  t.deepEqual(isRefusal(gone) && gone.refused.reasons, ['1 instance comes after it: web'])
  cloud.done({ verb: 'delete', kind: 'instance', id: named(cloud, 'web').id })
  cloud.done({ verb: 'delete', kind: 'instance', id: named(cloud, 'db').id })
})

test('on the own network of a site nobody can phone home', t => {
  const cloud = sampleCloud()
  const spec = { uplink: 'eth1', nat: false, mtu: 1500, shared: false, driver: 'flat' }
  cloud.done({ verb: 'create', kind: 'network', name: 'site', spec })
  const refused = cloud.judged(
    instanceIntent('x', { ports: [{ network: 'site' }], readiness: { phoneHome: true } })
  )
  t.true(isRefusal(refused))
  t.regex(isRefusal(refused) ? refused.refused.message : '', /the site's router/)
})

test('whatever is wished, no circle ever comes about', t => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const wishes = fc.array(
    fc.tuple(fc.constantFrom(...names), fc.uniqueArray(fc.constantFrom(...names))),
    { maxLength: 12 }
  )
  fc.assert(
    fc.property(wishes, all => {
      const cloud = sampleCloud({ h1: { memoryMib: 100_000 } })
      for (const name of names) cloud.done(instanceIntent(name))
      for (const [name, after] of all) {
        const { id, labels, spec } = named(cloud, name)
        const verdict = cloud.judged({
          verb: 'change',
          kind: 'instance',
          id,
          labels,
          spec: { ...spec, after }
        })
        if (!isRefusal(verdict)) cloud.commit(verdict.commit)
      }
      return names.every(name => !reaches(cloud, name, name, new Set()))
    }),
    { numRuns: 60 }
  )
  t.pass()
})

function reaches(cloud: SampleCloud, from: string, to: string, seen: Set<string>): boolean {
  return (named(cloud, from).spec.after ?? []).some(name => {
    if (name === to) return true
    if (seen.has(name)) return false
    seen.add(name)
    return reaches(cloud, name, to, seen)
  })
}

test('a host that speaks and has not told for long how things are is not believed', t => {
  const cloud = pair({ guestAgent: true })
  report(cloud, { db: ['running', { ready: 'ready' }] })
  t.false(held(cloud))
  const at = later(cloud, 21_000)
  cloud.view.fold({ type: 'heartbeat', host: 'h1', at, loopLagMs: 0 })
  t.true(held(cloud, at))
  Object.assign(cloud.context, { now: at })
  report(cloud, { db: ['running', { ready: 'ready' }] })
  t.false(held(cloud, at))
})
