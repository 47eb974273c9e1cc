import test from 'ava'
import fc from 'fast-check'
import type { Instance, InstanceSpec } from '#shared/model/instance.ts'
import { yieldingTo } from '../../../controller/core/preemption.ts'
import { decidedBy, instanceIntent, sampleCloud, wishOf } from '../../world/sample-cloud.ts'

const pools = [
  { name: 'far', phase: 'ready', message: '', capacityMib: 99_000, freeMib: 99_000 } as const,
  { name: 'local', phase: 'ready', message: '', capacityMib: 99_000, freeMib: 99_000 } as const
]

type Small = { readonly memoryMib: number; readonly priority: number; readonly on: string }

/** Two hosts with 4 GiB each for instances, full of these, and one that has lost its host. */
function cloudOf(
  small: readonly Small[],
  { big = 2_048, policy = 'own' as 'own' | 'never', spec = {} as Partial<InstanceSpec> } = {}
) {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_608 } })
  const far = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: far })
  for (const name of ['h1', 'h2']) {
    cloud.report(name, { pools })
    const { id, spec, labels } = cloud.host(name)
    const wide = { ...spec, vcpusPerThread: 64 }
    cloud.done({ verb: 'change', kind: 'host', id, labels, spec: wide })
  }
  const tenant = cloud.view.named('tenant', 'default')!
  const own = policy === 'own' ? { ...tenant.spec, preemption: policy } : tenant.spec
  cloud.done({ verb: 'change', kind: 'tenant', id: tenant.id, labels: {}, spec: own })
  const put = (name: string, more: Partial<InstanceSpec>, host: string | undefined): Instance => {
    const given = { pool: 'far', ...more, desiredPower: 'stopped' as const }
    const { resource } = cloud.done(instanceIntent(name, given))
    const made = cloud.view.get('instance', resource.id)!
    const volumes = made.decided.volumes.map(id => {
      const { decided, ...rest } = cloud.view.get('volume', id)!
      const { host: _, ...free } = decided
      return { ...rest, decided: host === undefined ? free : { ...free, host } }
    })
    const { host: _, ...decided } = made.decided
    const at = new Date(cloud.context.now.wall).toISOString()
    const where = host === undefined ? { displaced: { from: 'h9', at } } : { host }
    const after: Instance = {
      ...made,
      spec: { ...made.spec, desiredPower: 'running' },
      decided: { ...decided, ...where }
    }
    const all = [after, ...volumes]
    cloud.commit({
      changes: all.map(resource => ({ op: 'put', resource }) as const),
      decisions: []
    })
    return after
  }
  const others = small.map(({ on, ...rest }, at) => put(`small-${at}`, { ...rest, ...spec }, on))
  const wanted = put('big', { memoryMib: big, priority: 900 }, undefined)
  const volumes = wanted.decided.volumes.flatMap(id => cloud.view.get('volume', id) ?? [])
  return { ...cloud, others, wanted: { instance: wanted, volumes } }
}

const four = (priorities: readonly number[]): readonly Small[] =>
  priorities.flatMap((priority, at) => [
    { memoryMib: 1_024, priority, on: at % 2 === 0 ? 'h1' : 'h2' },
    { memoryMib: 1_024, priority, on: at % 2 === 0 ? 'h1' : 'h2' }
  ])

test('those stop that are least important, and no more than must', t => {
  const { view, wanted, context } = cloudOf(four([400, 300, 200, 100]))
  const found = yieldingTo(view, wanted, context.now)
  t.is(found?.host.name, 'h2')
  t.deepEqual(
    found?.victims.map(({ spec }) => spec.priority),
    [100, 100]
  )
})

for (const [what, given, priority] of [
  ['the tenant has not said so', { policy: 'never' }, 100],
  ['the others are as important', {}, 900]
] as const) {
  test(`nobody stops where ${what}`, t => {
    const { view, wanted, context } = cloudOf(four([priority, priority, priority, priority]), given)
    t.is(yieldingTo(view, wanted, context.now), undefined)
  })
}

test('nobody stops for what no host could take even then, nor for a new wish', t => {
  const { view, wanted, context } = cloudOf(four([1, 1, 1, 1]), { big: 4_097 })
  t.is(yieldingTo(view, wanted, context.now), undefined)
  const small = cloudOf(four([1, 1, 1, 1]))
  const { displaced: _, ...decided } = small.wanted.instance.decided
  const wish = { ...small.wanted, instance: { ...small.wanted.instance, decided } }
  t.is(yieldingTo(small.view, wish, context.now), undefined)
})

test('an operator may allow it for the whole cloud, across tenants, or not at all', t => {
  for (const [preemption, other, stops] of [
    ['any', 'guests', true],
    ['own', 'guests', false],
    ['own', 'default', true],
    ['never', 'default', false]
  ] as const) {
    const { view, wanted, context, commit, others } = cloudOf(four([1, 1, 1, 1]))
    commit({
      changes: [
        { op: 'cloud-put', cloud: { ...view.cloud!, healing: { preemption } } },
        ...others.map(one => ({ op: 'put', resource: { ...one, tenant: other } }) as const)
      ],
      decisions: []
    })
    t.is(yieldingTo(view, wanted, context.now) !== undefined, stops, `${preemption} ${other}`)
  }
})

test('what could start nowhere else stays, where another one as important will do', t => {
  const cloud = cloudOf(four([100, 100, 100, 100]))
  const bound = cloud.others.filter((_, at) => at !== 2 && at !== 4)
  for (const one of bound) {
    const resource = { ...one, spec: { ...one.spec, highlyAvailable: false } }
    cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
  }
  const found = yieldingTo(cloud.view, cloud.wanted, cloud.context.now)
  t.is(found?.victims.length, 2)
  const [first, second] = found!.victims.map(({ spec }) => spec.highlyAvailable)
  t.true(first || second)
})

test('whoever stops, it makes room, nobody could have stayed, and no host asks for less', t => {
  const smalls = fc.array(
    fc.record({
      memoryMib: fc.constantFrom(256, 512, 768, 1_024),
      priority: fc.integer({ min: 1, max: 4 }),
      on: fc.constantFrom('h1', 'h2')
    }),
    { minLength: 1, maxLength: 9 }
  )
  fc.assert(
    fc.property(smalls, fc.constantFrom(1_024, 2_048, 3_072), (small, big) => {
      const room = (on: string) =>
        4_096 -
        small.filter(one => one.on === on).reduce((sum, { memoryMib }) => sum + memoryMib, 0)
      if (room('h1') < 0 || room('h2') < 0 || room('h1') >= big || room('h2') >= big) return
      const { view, wanted, context } = cloudOf(small, { big })
      const found = yieldingTo(view, wanted, context.now)!
      const freed = (some: readonly { decided: { memoryMib: number } }[]) =>
        some.reduce((sum, { decided }) => sum + decided.memoryMib, room(found.host.name))
      t.true(freed(found.victims) >= big)
      for (const one of found.victims) {
        t.true(freed(found.victims.filter(other => other !== one)) < big)
      }
      const most = Math.max(...found.victims.map(({ spec }) => spec.priority))
      for (const on of ['h1', 'h2']) {
        const less = small.filter(one => one.on === on && one.priority < most)
        const sum = less.reduce((all, { memoryMib }) => all + memoryMib, room(on))
        t.true(sum < big, 'with less important ones alone there is no room anywhere')
      }
    }),
    { numRuns: 60 }
  )
})

test('the room is promised at once, and held until the host says that all have ended', t => {
  const cloud = cloudOf(four([400, 300, 200, 100]))
  const { view, wanted, others } = cloud
  const id = wanted.instance.id
  const alive = (some: readonly Instance[], generation: number) =>
    cloud.report('h2', {
      pools,
      generation,
      instances: some.map(({ id }) => ({
        ...{ id, generation: 1, power: 'running', reason: 'running', message: '' },
        ...{ startCount: 1, restartNeeded: false, power: 'running' as const }
      }))
    })
  const onH2 = others.filter(({ decided }) => decided.host === 'h2')
  alive(onH2, view.position)
  decidedBy(cloud)
  const { host, roomFrom } = view.get('instance', id)!.decided
  t.is(host, 'h2')
  t.is(roomFrom?.length, 2)
  t.is(view.indexes.promised('h2').memoryMib, 4_096)
  alive(onH2, view.position)
  decidedBy(cloud)
  t.truthy(view.get('instance', id)!.decided.roomFrom, 'they still run')
  const rest = onH2.filter(one => !roomFrom?.includes(one.id))
  alive(rest, 0)
  decidedBy(cloud)
  t.truthy(view.get('instance', id)!.decided.roomFrom, 'that was said of an earlier order')
  alive(rest, view.position)
  decidedBy(cloud)
  t.is(view.get('instance', id)!.decided.roomFrom, undefined)
  for (const one of roomFrom!) {
    const { spec, decided } = view.get('instance', one)!
    t.is(spec.desiredPower, 'running')
    t.truthy(decided.preempted, 'there is no room for them yet')
  }
  cloud.done({ verb: 'delete', kind: 'instance', id })
  decidedBy(cloud)
  for (const one of roomFrom!) t.is(view.get('instance', one)!.decided.preempted, undefined)
})
