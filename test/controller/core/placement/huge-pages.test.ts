/** Memory in huge pages: who has it, who gets it, and what a loss of a host asks for. */
import test from 'ava'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Instance } from '#shared/model/instance.ts'
import { capacityOf } from '../../../../controller/core/capacity.ts'
import { orderFor } from '../../../../controller/core/orders.ts'
import { spreadPlan } from '../../../../controller/core/placement/spread-plan.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { planOf } from '../../../../controller/core/reserve/plan.ts'
import { surveyed } from '../../../../controller/core/reserve/survey.ts'
import {
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts,
  wishOf
} from '../../../world/sample-cloud.ts'

/** A machine of 8 GiB and 512 MiB, with so many pages of 2 MiB and of 1 GiB set aside. */
const machine = (name: string, small: number, large = 0): HostFacts => ({
  ...sampleFacts(name, 8_704),
  hugepages: [
    { sizeKib: 2_048, total: small, free: small },
    { sizeKib: 1_048_576, total: large, free: large }
  ]
})

/** Hosts h1, h2 … with so many pages each, and a pool that all of them see. */
function cloudWith(...pages: readonly number[]): SampleCloud {
  const names = pages.map((_, at) => `h${at + 1}`)
  const cloud = sampleCloud(Object.fromEntries(names.map(name => [name, { memoryMib: 8_704 }])))
  const spec = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec })
  const pools = ['local', 'far'].map(name => ({
    ...{ name, phase: 'ready' as const, message: '' },
    ...{ capacityMib: 90_000, freeMib: 90_000 }
  }))
  for (const [at, name] of names.entries()) {
    cloud.report(name, { number: 2, pools, facts: machine(name, pages[at]!) })
  }
  return cloud
}

const huge = (name: string, memoryMib: number, more: object = {}) =>
  instanceIntent(name, { memoryMib, hugePages: '2M', pool: 'far', ...more })
const web = (cloud: SampleCloud): Instance => cloud.view.named('instance', 'web', 'default')!

type Row = {
  readonly title: string
  readonly pages: number
  readonly before?: (cloud: SampleCloud) => void
  readonly wish: ReturnType<typeof instanceIntent>
  /** Undefined: the host takes it. */
  readonly refused?: string
}

const rows: readonly Row[] = [
  {
    title: 'a host that has set none aside takes none that asks for them',
    pages: 0,
    wish: huge('web', 1_024),
    refused: 'h1: needs 1024 MiB in huge pages of 2M, has none set aside'
  },
  { title: 'one that has enough does', pages: 512, wish: huge('web', 1_024) },
  {
    title: 'what others were promised of them is gone',
    pages: 1_024,
    before: cloud => cloud.done(huge('other', 1_500)),
    wish: huge('web', 1_024),
    refused:
      'h1: needs 1024 MiB in huge pages of 2M, has 548 MiB unpromised ' +
      '(of 2048 MiB, 1500 MiB promised)'
  },
  {
    title: 'what is stopped was promised nothing of them',
    pages: 512,
    before: cloud => cloud.done(huge('other', 1_024, { desiredPower: 'stopped' })),
    wish: huge('web', 1_024)
  },
  {
    title: 'pages of another size are of no use',
    pages: 2_048,
    wish: huge('web', 1_024, { hugePages: '1G' }),
    refused: 'h1: needs 1024 MiB in huge pages of 1G, has none set aside'
  },
  {
    title: 'common memory is what is left beside them',
    pages: 2_048,
    wish: instanceIntent('web', { memoryMib: 4_097 }),
    refused: 'h1: needs 4097 MiB, has 4096 MiB unpromised (of 4096 MiB, 0 MiB promised)'
  },
  {
    title: 'and nothing of it is taken by those who have huge ones',
    pages: 2_048,
    before: cloud => cloud.done(huge('other', 4_096)),
    wish: instanceIntent('web', { memoryMib: 4_096 })
  },
  {
    title: 'memory that is no whole number of pages is refused',
    pages: 512,
    wish: huge('web', 1_023),
    refused: 'give --memory 1024MiB'
  }
]

for (const { title, pages, before, wish, refused } of rows) {
  test(title, t => {
    const cloud = cloudWith(pages)
    before?.(cloud)
    const verdict = cloud.judged(wish)
    t.is(isRefusal(verdict), refused !== undefined)
    if (!isRefusal(verdict)) return
    const { reasons, next } = verdict.refused
    t.is(reasons[0] ?? next[0], refused)
  })
}

test('where only huge pages are wanting, it is said that it fits without them', t => {
  const verdict = cloudWith(0).judged(huge('web', 1_024))
  t.is(isRefusal(verdict) ? verdict.refused.next[0] : '', 'it would fit without huge pages: h1')
})

test('a container has no huge pages, and pages stay what they were', t => {
  const cloud = cloudWith(512)
  const box = huge('box', 64, { type: 'container', image: 'tiny-container' })
  t.regex(JSON.stringify(cloud.judged(box)), /a container cannot have its memory in huge pages/)
  cloud.done(huge('web', 512))
  const { id, spec } = web(cloud)
  const { hugePages: _, ...plain } = spec
  const change = { verb: 'change', kind: 'instance', id, labels: {}, spec: plain } as const
  t.regex(JSON.stringify(cloud.judged(change)), /cannot change hugePages of instance web/)
})

test('growth and a start are judged by what is left of the pages', t => {
  const cloud = cloudWith(512)
  cloud.done(huge('web', 512))
  const { id, spec } = web(cloud)
  const grow = (memoryMib: number) =>
    ({ verb: 'change', kind: 'instance', id, labels: {}, spec: { ...spec, memoryMib } }) as const
  t.false(isRefusal(cloud.judged(grow(1_024))))
  t.regex(JSON.stringify(cloud.judged(grow(1_026))), /needs 514 MiB in huge pages of 2M, has 512/)
  cloud.done({ verb: 'power', id, power: 'stopped' })
  t.deepEqual(capacityOf(cloud.view, cloud.host('h1'))?.scarcePromised, {})
  cloud.done(huge('other', 600))
  const start = cloud.judged({ verb: 'power', id, power: 'running' })
  t.regex(JSON.stringify(start), /needs 512 MiB in huge pages of 2M, has 424 MiB unpromised/)
})

test('its host is told of which pages its memory is made', t => {
  const cloud = cloudWith(512)
  cloud.done(huge('web', 1_024))
  const order = orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: () => 'u' })
  t.is(order.instances[0]?.hugePages, '2M')
})

test('a plan of many goes by the pages that are left', t => {
  const { view, context } = cloudWith(512, 1_024)
  const shape = { type: 'vm', memoryMib: 512, vcpus: 1, pool: 'far', hugePages: '2M' } as const
  t.like(spreadPlan(view, { ...shape, count: 9 }, context.now), { placed: 6 })
})

test('who has lost its host finds pages or is stranded, and admission keeps them for that', t => {
  const cloud = cloudWith(512, 512, 256)
  for (const name of ['a', 'b']) cloud.done(huge(name, 512))
  cloud.done(huge('c', 512))
  const { view, context } = cloud
  const hosts = [...view.all('instance').values()].map(({ decided }) => decided.host)
  t.deepEqual(hosts.toSorted(), ['h1', 'h1', 'h2'])
  const lost = (...names: readonly string[]) => {
    const ground = surveyed(view, context.now)
    return planOf(
      ground,
      names.map(name => ground.rows.findIndex(({ host }) => host.name === name))
    ).stranded.length
  }
  t.is(lost('h1'), 0)
  t.is(lost('h1', 'h3'), 1, 'h2 has room for one of two')
  const healing = { reserveHosts: 1 }
  cloud.commit({
    changes: [{ op: 'cloud-put', cloud: { ...view.cloud!, healing } }],
    decisions: []
  })
  t.false(isRefusal(cloud.judged(instanceIntent('plain', { memoryMib: 512, pool: 'far' }))))
  const fourth = cloud.judged(huge('d', 512))
  t.regex(JSON.stringify(fourth), /keep the reserve/)
})
