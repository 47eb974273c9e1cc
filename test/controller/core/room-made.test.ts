/** Room for one that is to start, and for one that must leave the host on which it fails. */
import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  wishOf
} from '../../world/sample-cloud.ts'

const pools = [
  { name: 'far', phase: 'ready', message: '', capacityMib: 99_000, freeMib: 99_000 } as const
]
/** So much of each host is for instances. Unit: MiB. */
const roomMib = 4_096

type Small = { readonly memoryMib: number; readonly priority: number }

const smalls = fc.array(
  fc.record({
    memoryMib: fc.constantFrom(256, 512, 768, 1_024),
    priority: fc.integer({ min: 1, max: 4 })
  }),
  { maxLength: 7 }
)
const big = fc.record({
  memoryMib: fc.constantFrom(1_024, 2_048, 3_072, 4_096),
  priority: fc.integer({ min: 1, max: 5 })
})

/** A cloud with these hosts and a shared pool, whose tenant lets its less important ones stop. */
function cloudOf(names: readonly string[], preemption: 'own' | 'never' = 'own'): SampleCloud {
  const cloud = sampleCloud(Object.fromEntries(names.map(name => [name, { memoryMib: 4_608 }])))
  const far = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: far })
  for (const name of names) {
    cloud.report(name, { pools })
    const { id, spec, labels } = cloud.host(name)
    const wide = { ...spec, vcpusPerThread: 64 }
    cloud.done({ verb: 'change', kind: 'host', id, labels, spec: wide })
  }
  const tenant = cloud.view.named('tenant', 'default')!
  const spec = { ...tenant.spec, preemption }
  cloud.done({ verb: 'change', kind: 'tenant', id: tenant.id, labels: {}, spec })
  return cloud
}

function create(cloud: SampleCloud, name: string, spec: object): Instance {
  const { resource } = cloud.done(instanceIntent(name, { pool: 'far', ...spec }))
  return cloud.view.get('instance', resource.id)!
}

const sumOf = (some: readonly { readonly memoryMib: number }[]): number =>
  some.reduce((sum, { memoryMib }) => sum + memoryMib, 0)

/** What must come of it: nobody yields, some do, or it cannot be. */
function expectedOf(small: readonly Small[], wanted: Small): 'room' | 'yielding' | 'nowhere' {
  const free = roomMib - sumOf(small)
  if (free >= wanted.memoryMib) return 'room'
  const less = small.filter(({ priority }) => priority < wanted.priority)
  return free + sumOf(less) >= wanted.memoryMib ? 'yielding' : 'nowhere'
}

/** Throws unless those that yield are less important, make room, and none of them could stay. */
function judgeVictims(view: SampleCloud['view'], wanted: Instance): void {
  const { roomFrom = [], host, moving } = wanted.decided
  const where = moving?.to ?? host
  const victims = roomFrom.map(id => view.get('instance', id)!)
  const others = [...view.all('instance').values()].filter(
    one => one.id !== wanted.id && one.decided.host === where && !victims.includes(one)
  )
  const freeMib = roomMib - sumOf(others.map(({ decided }) => decided))
  const need = wanted.decided.memoryMib
  const isRight = victims.every(
    one =>
      one.decided.host === where &&
      one.spec.priority < wanted.spec.priority &&
      one.decided.preempted?.for === wanted.id &&
      freeMib - one.decided.memoryMib < need
  )
  if (!isRight || victims.length === 0 || freeMib < need) throw new Error(JSON.stringify(roomFrom))
  if (view.indexes.promised(where!).memoryMib > roomMib) throw new Error('more is promised than is')
}

test('a start has others stopped only where it must and may, and none in vain', t => {
  const seen = { room: 0, yielding: 0, nowhere: 0 }
  fc.assert(
    fc.property(smalls, big, (all, wanted) => {
      const cloud = cloudOf(['h1'])
      const db = create(cloud, 'db', { ...wanted, desiredPower: 'stopped' })
      const small = all.filter((_, at) => sumOf(all.slice(0, at + 1)) <= roomMib)
      for (const [at, one] of small.entries()) create(cloud, `small-${at}`, one)
      const verdict = cloud.judged({ verb: 'power', id: db.id, power: 'running' })
      const expected = expectedOf(small, wanted)
      seen[expected] += 1
      if (isRefusal(verdict) !== (expected === 'nowhere')) throw new Error(expected)
      if (isRefusal(verdict)) return
      cloud.commit(verdict.commit)
      const after = cloud.view.get('instance', db.id)!
      if ((after.decided.roomFrom !== undefined) !== (expected === 'yielding')) {
        throw new Error(expected)
      }
      if (expected === 'yielding') judgeVictims(cloud.view, after)
    }),
    { numRuns: 60 }
  )
  for (const [what, count] of Object.entries(seen)) t.true(count > 0, `${what}: ${count}`)
})

const failed = { runs: 5, withinMs: 3_000, last: 'broke down' }

/** Its host says that its runs fail. */
function fails(cloud: SampleCloud, { id, generation, decided }: Instance): void {
  const base = { id, generation, power: 'waiting', reason: 'restart-wait', message: '' } as const
  const instances = [{ ...base, startCount: 6, restartNeeded: false, failed }]
  cloud.report(decided.host!, { pools, instances })
}

test('what fails goes where others may stop for it only if no other host has room', t => {
  const seen = { room: 0, yielding: 0, nowhere: 0 }
  fc.assert(
    fc.property(smalls, big, (all, wanted) => {
      const cloud = cloudOf(['h1', 'h2'])
      const web = create(cloud, 'web', { ...wanted })
      const small = all.filter((_, at) => sumOf(all.slice(0, at + 1)) <= roomMib)
      for (const [at, one] of small.entries()) create(cloud, `small-${at}`, { ...one, host: 'h2' })
      fails(cloud, web)
      decidedBy(cloud)
      const { moving, roomFrom, crashes } = cloud.view.get('instance', web.id)!.decided
      const expected = expectedOf(small, wanted)
      seen[expected] += 1
      const found = moving ? (roomFrom ? 'yielding' : 'room') : 'nowhere'
      if (found !== expected) throw new Error(`${found}, expected ${expected}`)
      if (expected === 'nowhere' && crashes?.held?.kind !== 'room') throw new Error('not told')
      if (expected === 'yielding') judgeVictims(cloud.view, cloud.view.get('instance', web.id)!)
    }),
    { numRuns: 60 }
  )
  for (const [what, count] of Object.entries(seen)) t.true(count > 0, `${what}: ${count}`)
})

const running = ({ id, generation }: Instance): ReportInstance => ({
  ...{ id, generation, reason: 'running', message: '' },
  ...{ startCount: 1, restartNeeded: false, power: 'running' as const }
})

/** One that fails on h1 and is on its way to h2, where one that runs makes room. */
function onItsWay() {
  const cloud = cloudOf(['h1', 'h2'])
  const web = create(cloud, 'web', { memoryMib: 3_072, priority: 900 })
  const low = create(cloud, 'low', { memoryMib: 2_048, priority: 100, host: 'h2' })
  cloud.report('h2', { pools, generation: cloud.view.position, instances: [running(low)] })
  fails(cloud, web)
  decidedBy(cloud)
  const now = (one: Instance): Instance => cloud.view.get('instance', one.id)!
  /** What the target says: that it is ready, and whether the other one has ended. */
  const targetSays = (some: readonly ReportInstance[]): void => {
    const { id } = now(web).decided.moving!
    const move = { move: id, step: 1, stand: 'ready', message: '' } as const
    const arriving = { ...running(web), power: 'waiting' as const, move }
    const generation = cloud.view.position
    cloud.report('h2', { pools, generation, instances: [arriving, ...some] })
  }
  const heldOn = (host: string): boolean | undefined => {
    const context = { epoch: 1, imageUrl: () => '', now: cloud.context.now }
    const order = orderFor(cloud.view, cloud.host(host), context)
    return order.instances.find(({ id }) => id === web.id)?.hold
  }
  return { cloud, web, low, now, targetSays, heldOn }
}

test('it is sent once the others have ended where it goes, and tried where it is till then', t => {
  const { cloud, web, low, now, targetSays, heldOn } = onItsWay()
  t.like(now(web).decided, { host: 'h1', moving: { to: 'h2', live: false }, roomFrom: [low.id] })
  t.is(heldOn('h1'), undefined)
  t.true(heldOn('h2'))
  targetSays([running(low)])
  decidedBy(cloud)
  t.is(now(web).decided.moving?.phase, 'preparing')
  targetSays([])
  decidedBy(cloud)
  t.is(now(web).decided.roomFrom, undefined)
  t.is(now(web).decided.moving?.phase, 'sending')
  t.truthy(now(low).decided.preempted, 'its room is promised')
})

test('where it stays after all, those that made room for it run again', t => {
  const { cloud, web, low, now } = onItsWay()
  cloud.done({ verb: 'cancel-move', id: web.id })
  cloud.report('h2', { pools, generation: cloud.view.position, instances: [] })
  const told = decidedBy(cloud).flatMap(({ decisions }) =>
    decisions.map(({ verb, because }) => `${verb}: ${because}`)
  )
  t.is(now(web).decided.roomFrom, undefined)
  t.is(now(low).decided.preempted, undefined)
  t.true(told.includes('room-made: nothing of low is on h1 any more'), told.join('\n'))
})

test('nobody stops for a start or a crash where the tenant has not said so', t => {
  const cloud = cloudOf(['h1', 'h2'], 'never')
  const web = create(cloud, 'web', { memoryMib: 3_072, priority: 900 })
  create(cloud, 'low', { memoryMib: 2_048, priority: 100, host: 'h2' })
  const db = create(cloud, 'db', {
    ...{ memoryMib: 3_072, priority: 900 },
    ...{ host: 'h2', desiredPower: 'stopped' }
  })
  fails(cloud, web)
  decidedBy(cloud)
  t.is(cloud.view.get('instance', web.id)!.decided.moving, undefined)
  const verdict = cloud.judged({ verb: 'power', id: db.id, power: 'running' })
  t.true(isRefusal(verdict))
})

/** Placed on h1, from which it may go anywhere. */
function placedOnFirst(cloud: SampleCloud, name: string, wish: object): void {
  const { spec, ...rest } = create(cloud, name, { ...wish, host: 'h1' })
  const { host: _, ...free } = spec
  cloud.commit({ changes: [{ op: 'put', resource: { ...rest, spec: free } }], decisions: [] })
}

for (const [title, { hosts, healing, spec, says }] of [
  [
    'without a reserve, others stop for a start',
    { hosts: ['h1', 'h2'], healing: {}, spec: {}, says: undefined }
  ],
  [
    'a reserve of one host has nobody stopped who could start nowhere after its loss',
    {
      hosts: ['h1', 'h2'],
      healing: { reserveHosts: 1 },
      spec: {},
      says: /if h2 is lost, small-0 \(2048 MiB\) could start nowhere/
    }
  ],
  [
    'a reserve has nobody stopped who has no place as it is',
    {
      hosts: ['h1'],
      healing: { reserveHosts: 1 },
      spec: { highlyAvailable: false },
      says: /as it is, small-0 \(2048 MiB\) could start nowhere/
    }
  ],
  [
    'a reserve lets those stop that find another place, also after any loss',
    { hosts: ['h1', 'h2', 'h3'], healing: { reserveHosts: 1 }, spec: {}, says: undefined }
  ]
] as const) {
  test(title, t => {
    const cloud = cloudOf(hosts)
    const { view } = cloud
    const half = { memoryMib: roomMib / 2 }
    const resting = { host: 'h1', desiredPower: 'stopped' }
    const db = create(cloud, 'db', { ...half, priority: 5, ...resting })
    for (const at of [0, 1]) {
      placedOnFirst(cloud, `small-${at}`, { ...half, priority: at + 1, ...spec })
    }
    const change = { op: 'cloud-put', cloud: { ...view.cloud!, healing } } as const
    cloud.commit({ changes: [change], decisions: [] })
    const verdict = cloud.judged({ verb: 'power', id: db.id, power: 'running' })
    if (says) {
      t.true(isRefusal(verdict))
      t.regex(JSON.stringify(verdict), says)
    } else if (isRefusal(verdict)) t.fail(JSON.stringify(verdict))
    else {
      cloud.commit(verdict.commit)
      t.is(view.get('instance', db.id)!.decided.roomFrom?.length, 1)
    }
  })
}
