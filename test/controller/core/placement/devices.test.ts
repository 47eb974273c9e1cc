/** Devices of hosts: who has them, who gets them, and what a loss of a host asks for. */
import test from 'ava'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Instance } from '#shared/model/instance.ts'
import { capacityOf } from '../../../../controller/core/capacity.ts'
import { departures } from '../../../../controller/core/departure.ts'
import { orderFor } from '../../../../controller/core/orders.ts'
import { explainPlacement } from '../../../../controller/core/placement/explain.ts'
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

type Device = HostFacts['devices'][number]
type Kind = Device['class']

/** Devices of a sort at made-up addresses; those that are not set aside have their driver. */
const made = (kind: Kind, aside: number, others = 0): readonly Device[] =>
  Array.from({ length: aside + others }, (_, at) => ({
    ...{ pci: `0000:0${at + 1}:00.0`, vendor: '10de', device: '1eb8', class: kind },
    assignable:
      at < aside
        ? { works: true, because: `it is set aside, in IOMMU group ${at}` }
        : { works: false, because: 'its driver is nvidia, not vfio-pci' }
  }))

/** Hosts h1, h2 … of 8 GiB with these devices, and a pool that all of them see. */
function cloudWith(...devices: readonly (readonly Device[])[]): SampleCloud {
  const names = devices.map((_, at) => `h${at + 1}`)
  const cloud = sampleCloud(Object.fromEntries(names.map(name => [name, { memoryMib: 8_704 }])))
  const spec = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec })
  const pools = ['local', 'far'].map(name => ({
    ...{ name, phase: 'ready' as const, message: '' },
    ...{ capacityMib: 90_000, freeMib: 90_000 }
  }))
  const migration = { uri: 'qemu+tcp://h/system', address: '127.0.0.1', folder: '/agent' }
  for (const [at, name] of names.entries()) {
    const facts = { ...sampleFacts(name, 8_704), devices: [...devices[at]!] }
    cloud.report(name, { number: 2, pools, facts, migration })
  }
  return cloud
}

const having = (name: string, wish: Partial<Record<Kind, number>>, more: object = {}) => {
  const devices = Object.entries(wish).map(([kind, count]) => ({ kind, count }))
  return instanceIntent(name, { devices, pool: 'far', ...more })
}
const named = (cloud: SampleCloud, name: string): Instance =>
  cloud.view.named('instance', name, 'default')!

type Row = {
  readonly title: string
  readonly hosts: readonly (readonly Device[])[]
  readonly before?: (cloud: SampleCloud) => void
  readonly wish: ReturnType<typeof instanceIntent>
  readonly chosen?: string
  readonly reasons?: readonly string[]
  readonly next?: string
}

const rows: readonly Row[] = [
  {
    title: 'a host without the device takes none that asks for it, one with it does',
    hosts: [[], made('gpu', 1)],
    wish: having('web', { gpu: 1 }),
    chosen: 'h2'
  },
  {
    title: 'hosts that have none are told from those that have set none aside',
    hosts: [[], made('gpu', 0, 2)],
    wish: having('web', { gpu: 1 }),
    reasons: [
      'h1: needs 1 gpu, has none set aside',
      'h2: needs 1 gpu, has none set aside of its 2 ' +
        '(0000:01:00.0: its driver is nvidia, not vfio-pci)'
    ],
    next: 'it would fit with 1 gpu more on h1, or without gpu'
  },
  {
    title: 'what others were promised is gone, and what is not set aside does not count',
    hosts: [made('gpu', 3, 4)],
    before: cloud => cloud.done(having('other', { gpu: 2 })),
    wish: having('web', { gpu: 2 }),
    reasons: ['h1: needs 2 gpu, has 1 unpromised (of 3, 2 promised)'],
    next: 'it would fit with 1 gpu more on h1, or with 1 gpu instead of 2'
  },
  {
    title: 'sorts are counted by themselves',
    hosts: [[...made('gpu', 2), ...made('fibre-channel', 1)]],
    before: cloud => cloud.done(having('other', { gpu: 1 })),
    wish: having('web', { gpu: 1, 'fibre-channel': 2 }),
    reasons: ['h1: needs 2 fibre-channel, has 1 unpromised (of 1, 0 promised)']
  },
  {
    title: 'virtual functions are devices, too',
    hosts: [made('virtual-function', 8), made('gpu', 8)],
    wish: having('web', { 'virtual-function': 2 }),
    chosen: 'h1'
  },
  {
    title: 'a stopped instance was promised none',
    hosts: [made('gpu', 1)],
    before: cloud => cloud.done(having('other', { gpu: 1 }, { desiredPower: 'stopped' })),
    wish: having('web', { gpu: 1 }),
    chosen: 'h1'
  },
  {
    title: 'who asks for none goes where there are none, although there is less room',
    hosts: [made('gpu', 1), []],
    before: cloud => cloud.done(instanceIntent('other', { host: 'h2', memoryMib: 2_000 })),
    wish: instanceIntent('web', {}),
    chosen: 'h2'
  },
  {
    title: 'who asks for one sort leaves hosts with two of them to others',
    hosts: [[...made('gpu', 1), ...made('nvme', 1)], made('gpu', 1)],
    before: cloud => cloud.done(instanceIntent('other', { host: 'h2', memoryMib: 1_000 })),
    wish: having('web', { gpu: 1 }),
    chosen: 'h2'
  },
  {
    title: 'a sort that is asked for twice is asked for as often as both say',
    hosts: [made('gpu', 2)],
    wish: instanceIntent('web', {
      devices: [
        { kind: 'gpu', count: 1 },
        { kind: 'gpu', count: 2 }
      ]
    }),
    reasons: ['h1: needs 3 gpu, has 2 unpromised (of 2, 0 promised)']
  },
  {
    title: 'a container has none',
    hosts: [made('gpu', 1)],
    wish: having('box', { gpu: 1 }, { type: 'container', image: 'tiny-container' }),
    reasons: []
  }
]

for (const { title, hosts, before, wish, chosen, reasons = [], next } of rows) {
  test(title, t => {
    const cloud = cloudWith(...hosts)
    before?.(cloud)
    const verdict = cloud.judged(wish)
    if (!isRefusal(verdict)) return t.is(verdict.placement?.chosen?.name, chosen)
    t.is(chosen, undefined, JSON.stringify(verdict.refused))
    t.deepEqual(verdict.refused.reasons, reasons)
    if (next !== undefined) t.is(verdict.refused.next[0], next)
    return undefined
  })
}

test('its host is told how many of which sort, and the wish stays what it was', t => {
  const cloud = cloudWith(made('gpu', 2))
  cloud.done(having('web', { gpu: 2 }))
  const order = orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: () => 'u' })
  t.deepEqual(order.instances[0]?.devices, [{ kind: 'gpu', count: 2 }])
  const { id, spec } = named(cloud, 'web')
  const other = { ...spec, devices: [{ kind: 'gpu' as const, count: 1 }] }
  const change = { verb: 'change', kind: 'instance', id, labels: {}, spec: other } as const
  t.regex(JSON.stringify(cloud.judged(change)), /cannot change devices of instance web/)
})

test('a start is judged by what is left', t => {
  const cloud = cloudWith(made('gpu', 1))
  cloud.done(having('web', { gpu: 1 }))
  const { id } = named(cloud, 'web')
  cloud.done({ verb: 'power', id, power: 'stopped' })
  t.deepEqual(capacityOf(cloud.view, cloud.host('h1'))?.scarcePromised, {})
  cloud.done(having('other', { gpu: 1 }))
  const start = cloud.judged({ verb: 'power', id, power: 'running' })
  t.regex(JSON.stringify(start), /needs 1 gpu, has 0 unpromised \(of 1, 1 promised\)/)
})

test('it moves shut down alone, which is said before, and only to where devices are', t => {
  const cloud = cloudWith(made('gpu', 1), [], made('gpu', 1))
  cloud.done(having('web', { gpu: 1 }, { memoryMib: 4_000 }))
  const instance = named(cloud, 'web')
  const here = instance.decided.host!
  const there = here === 'h1' ? 'h3' : 'h1'
  const seen = {
    ...{ id: instance.id, generation: 1, power: 'running' as const, reason: 'running' },
    ...{ message: 'runs', startCount: 1, restartNeeded: false }
  }
  cloud.report(here, { ...cloud.view.heard(here).report!, number: 3, instances: [seen] })
  const move = { verb: 'move', id: instance.id } as const
  const live = cloud.judged(move)
  t.regex(JSON.stringify(live), /cannot move instance web while it runs: its host holds it/)
  t.regex(JSON.stringify(live), /1 gpu of h\d cannot be sent to another host/)
  const leave = (cold: boolean) => ({ instance, cold, tries: undefined })
  const options = { now: cloud.context.now }
  const [stays] = departures(cloud.view, [leave(false)], options)
  t.like(stays, {
    state: 'stays',
    because: 'it has 1 gpu of its host: with --cold it is shut down for the move'
  })
  const [goes] = departures(cloud.view, [leave(true)], options)
  t.like(goes, { state: 'goes', to: there, live: false })
})

test('what each host comes to says what its devices count', t => {
  const cloud = cloudWith(made('gpu', 1), [...made('gpu', 1), ...made('nvme', 1)], [])
  cloud.done(having('web', { gpu: 1 }))
  const { scored, rejected } = explainPlacement(cloud.view, named(cloud, 'web'), cloud.context.now)
  const parts = scored.map(({ host, parts }) => {
    const { weight, value } = parts.find(({ name }) => name === 'scarcity')!
    return `${host} ${weight * value}`
  })
  t.deepEqual(parts, ['h1 0', 'h2 -15'])
  t.deepEqual(rejected, [{ host: 'h3', because: 'needs 1 gpu, has none set aside' }])
})

test('a plan of many goes by the devices that are left', t => {
  const { view, context } = cloudWith(made('gpu', 3), made('gpu', 1))
  const devices = [{ kind: 'gpu', count: 1 }] as const
  const shape = { type: 'vm', memoryMib: 128, vcpus: 1, pool: 'far', devices } as const
  t.like(spreadPlan(view, { ...shape, count: 9 }, context.now), { placed: 4 })
})

test('who has lost its host finds devices or is stranded, and admission keeps them for that', t => {
  const cloud = cloudWith(made('gpu', 2), made('gpu', 1), [])
  for (const name of ['a', 'b']) cloud.done(having(name, { gpu: 1 }, { memoryMib: 2_000 }))
  const lost = (name: string): number => {
    const ground = surveyed(cloud.view, cloud.context.now)
    const host = ground.rows.findIndex(row => row.host.name === name)
    return planOf(ground, [host]).stranded.length
  }
  const hosts = ['a', 'b'].map(name => named(cloud, name).decided.host).toSorted()
  t.deepEqual(hosts, ['h1', 'h2'])
  t.is(lost('h1'), 1, 'h2 has none left')
  t.is(lost('h2'), 0, 'h1 has one left')
  const { view } = cloud
  const healing = { reserveHosts: 1 }
  const spare = cloudWith(made('gpu', 2), made('gpu', 1))
  spare.commit({
    changes: [{ op: 'cloud-put', cloud: { ...view.cloud!, healing } }],
    decisions: []
  })
  t.false(isRefusal(spare.judged(having('a', { gpu: 1 }))))
  spare.done(having('a', { gpu: 1 }))
  t.regex(JSON.stringify(spare.judged(having('b', { gpu: 1 }))), /keep the reserve/)
})
