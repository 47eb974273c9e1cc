/** What hosts keep for instances beside their own memory: in placement, sums, capacity, reserve. */
import test from 'ava'
import type { Instance } from '#shared/model/instance.ts'
import { setWeights, type WeightsWish } from '../../../../controller/core/admission/weights.ts'
import { capacityOf } from '../../../../controller/core/capacity.ts'
import { overheadOf } from '../../../../controller/core/overhead.ts'
import { spreadPlan } from '../../../../controller/core/placement/spread-plan.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { type Outlook, outlookOf } from '../../../../controller/core/reserve/outlook.ts'
import { planOf } from '../../../../controller/core/reserve/plan.ts'
import { surveyed } from '../../../../controller/core/reserve/survey.ts'
import { instanceIntent, type SampleCloud, sampleCloud } from '../../../world/sample-cloud.ts'

/** Hosts that have so much for instances each. */
const counting = (...memories: readonly number[]): SampleCloud =>
  sampleCloud(
    Object.fromEntries(memories.map((mib, at) => [`h${at + 1}`, { memoryMib: mib + 512 }])),
    () => {},
    'counted'
  )

const instance = (cloud: SampleCloud, name: string): Instance =>
  cloud.view.named('instance', name, 'default')!

const promised = (cloud: SampleCloud, host = 'h1') =>
  capacityOf(cloud.view, cloud.host(host))?.memoryPromisedMib

for (const { title, type, vcpus, memoryMib, beside } of [
  { title: 'a tiny VM', type: 'vm', vcpus: 1, memoryMib: 96, beside: 48 + 8 + 1 },
  {
    title: 'a VM with many processors',
    type: 'vm',
    vcpus: 16,
    memoryMib: 512,
    beside: 48 + 128 + 1
  },
  {
    title: 'a VM with much memory',
    type: 'vm',
    vcpus: 2,
    memoryMib: 65_536,
    beside: 48 + 16 + 128
  },
  { title: 'a container of any shape', type: 'container', vcpus: 8, memoryMib: 65_536, beside: 16 }
] as const) {
  test(`${title} takes ${beside} MiB beside its own memory`, t => {
    t.is(overheadOf(type, { vcpus, memoryMib }), beside)
  })
}

test('a host is full by what instances take in all, and says what is beside their own', t => {
  const cloud = counting(2_176)
  // Each takes 1024 + 48 + 8 + 2.
  cloud.done(instanceIntent('a', { memoryMib: 1_024 }))
  t.is(promised(cloud), 1_082)
  cloud.done(instanceIntent('b', { memoryMib: 1_024 }))
  t.is(promised(cloud), 2_164)
  const verdict = cloud.judged(instanceIntent('c', { memoryMib: 16 }))
  t.true(isRefusal(verdict))
  if (!isRefusal(verdict)) return
  t.deepEqual(verdict.refused.reasons, [
    'h1: needs 73 MiB (57 MiB beside its own), has 12 MiB unpromised ' +
      '(of 2176 MiB, 2164 MiB promised)'
  ])
  t.is(verdict.refused.next[0], 'it would fit with 61 MiB more on h1')
})

test('a smaller memory that would fit leaves room for what is beside it', t => {
  const cloud = counting(1_024)
  const verdict = cloud.judged(instanceIntent('a', { memoryMib: 2_048 }))
  const next = isRefusal(verdict) ? verdict.refused.next[0]! : ''
  t.is(next, 'it would fit with 1084 MiB more on h1, or with --memory 964MiB')
  t.false(isRefusal(cloud.judged(instanceIntent('a', { memoryMib: 964 }))))
})

test('it is given back with a stop, and judged again with a start and another shape', t => {
  const cloud = counting(1_200)
  cloud.done(instanceIntent('a', { memoryMib: 512 }))
  const { id, spec } = instance(cloud, 'a')
  const power = (to: 'running' | 'stopped') => ({ verb: 'power', id, power: to }) as const
  const change = (more: object) =>
    ({ verb: 'change', kind: 'instance', id, labels: {}, spec: { ...spec, ...more } }) as const
  cloud.done(power('stopped'))
  t.is(promised(cloud), 0)
  cloud.done(instanceIntent('b', { memoryMib: 600 }))
  t.true(isRefusal(cloud.judged(power('running'))), '512 are left, 569 are needed')
  const b = instance(cloud, 'b')
  cloud.done({ verb: 'delete', kind: 'instance', id: b.id })
  cloud.done(power('running'))
  t.is(promised(cloud), 512 + 57)
  cloud.done(change({ vcpus: 4 }))
  t.is(promised(cloud), 512 + 81)
  t.is(instance(cloud, 'a').decided.overheadMib, 81)
})

test('where operators have said so, instances take their own memory and no more', t => {
  const cloud = counting(1_024)
  const set = (wish: WeightsWish): readonly string[] => {
    const commit = setWeights(cloud.view, wish, cloud.context)
    if (isRefusal(commit)) throw new Error(commit.refused.message)
    cloud.commit(commit)
    return commit.decisions.map(({ because }) => because)
  }
  t.true(isRefusal(cloud.judged(instanceIntent('a', { memoryMib: 1_024 }))))
  const said = 'asked for: new instances are placed otherwise: overhead counted → ignored'
  t.deepEqual(set({ overhead: 'ignored' }), [said])
  cloud.done(instanceIntent('a', { memoryMib: 1_024 }))
  t.is(promised(cloud), 1_024)
  t.deepEqual(set({ overhead: 'ignored' }), [], 'the same once more is nothing')
  set({ overhead: 'counted' })
  t.is(promised(cloud), 1_024, 'what was promised stays what it was')
})

test('what is planned, what is left and what a loss asks for are counted with it', t => {
  const cloud = counting(2_164, 2_164)
  const wish = { type: 'vm', memoryMib: 1_024, vcpus: 1, pool: 'local' } as const
  const planned = spreadPlan(cloud.view, { ...wish, count: 5 }, cloud.context.now)
  t.like(planned, { placed: 4 })
  cloud.done({ verb: 'create', kind: 'size', name: 'gib', spec: { vcpus: 1, memoryMib: 1_024 } })
  const look = outlookOf(cloud.view, surveyed(cloud.view, cloud.context.now), undefined)
  let step = look.next()
  while (!step.done) step = look.next()
  const gib = (step.value as Outlook).sizes.find(({ name }) => name === 'gib')
  t.like(gib, { memoryMib: 1_024, overheadMib: 58, now: 4, byMemory: 4 })
  const shared = { driver: 'directory', path: '/srv/far', shared: true }
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: shared as never })
  for (const name of ['h1', 'h2']) {
    const pools = ['local', 'far'].map(pool => ({
      ...{ name: pool, phase: 'ready' as const, message: '' },
      ...{ capacityMib: 90_000, freeMib: 90_000 }
    }))
    cloud.report(name, { number: 2, pools })
  }
  for (const host of ['h1', 'h1', 'h2'] as const) {
    const name = `i${cloud.view.all('instance').size}`
    cloud.done(instanceIntent(name, { memoryMib: 1_024, pool: 'far', host }))
  }
  const unbound = [...cloud.view.all('instance').values()].map(one => {
    const { host: _, ...spec } = one.spec
    return { op: 'put', resource: { ...one, spec } } as const
  })
  cloud.commit({ changes: unbound, decisions: [] })
  const { stranded, taken } = planOf(surveyed(cloud.view, cloud.context.now), [0])
  t.deepEqual(
    stranded.map(({ memoryMib }) => memoryMib),
    [1_082],
    'one of two finds room'
  )
  t.is(taken[0]?.freeMib, 0)
})
