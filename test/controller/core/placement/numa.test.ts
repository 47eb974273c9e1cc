/** Instances that are to fit into one NUMA cell: where they can be, and what cells have left. */
import test from 'ava'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { setHealing } from '../../../../controller/core/admission/healing.ts'
import { orderFor } from '../../../../controller/core/orders.ts'
import { spreadPlan } from '../../../../controller/core/placement/spread-plan.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { planOf } from '../../../../controller/core/reserve/plan.ts'
import { surveyed } from '../../../../controller/core/reserve/survey.ts'
import { whyOf } from '../../../../controller/core/why.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts,
  wishOf
} from '../../../world/sample-cloud.ts'

/** A machine whose cells have so many MiB each, and two threads; 512 MiB of all it keeps. */
function machine(name: string, cells: readonly number[]): HostFacts {
  const memoryMib = cells.reduce((sum, mib) => sum + mib, 0)
  const numa = cells.map((mib, index) => ({
    ...{ index, memoryMib: mib, threads: [2 * index, 2 * index + 1] }
  }))
  const { cpu, ...facts } = sampleFacts(name, memoryMib)
  return { ...facts, cpu: { ...cpu, threads: 2 * cells.length }, numa, cellsChosen: true }
}

function cloudWith(...hosts: readonly (readonly number[])[]): SampleCloud {
  const names = hosts.map((_, at) => `h${at + 1}`)
  const cloud = sampleCloud(Object.fromEntries(names.map(name => [name, { memoryMib: 8_192 }])))
  const spec = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec })
  const pools = ['local', 'far'].map(name => ({
    ...{ name, phase: 'ready' as const, message: '' },
    ...{ capacityMib: 90_000, freeMib: 90_000 }
  }))
  for (const [at, name] of names.entries()) {
    cloud.report(name, { number: 2, pools, facts: machine(name, hosts[at]!) })
  }
  return cloud
}

const fitting = (name: string, memoryMib: number, more: object = {}) =>
  instanceIntent(name, { memoryMib, numa: 'fit', pool: 'far', ...more })

/** Says that instances of a host run, each in a cell. */
function seat(cloud: SampleCloud, host: string, cells: Readonly<Record<string, number>>): void {
  const instances = Object.entries(cells).map(([name, cell]) => ({
    ...{ id: cloud.view.named('instance', name, 'default')!.id, generation: 1, cell },
    ...{ power: 'running' as const, reason: 'running', message: 'runs', startCount: 1 },
    restartNeeded: false
  }))
  cloud.report(host, { ...cloud.view.heard(host).report!, number: 9, instances })
}

type Row = {
  readonly title: string
  readonly hosts: readonly (readonly number[])[]
  readonly before?: (cloud: SampleCloud) => void
  readonly wish: ReturnType<typeof instanceIntent>
  readonly chosen?: string
  readonly reasons?: readonly string[]
  readonly next?: string
}

// With 512 of 8192 MiB kept, a cell of 4096 has 3840 MiB; a thread carries four vcpus.
const rows: readonly Row[] = [
  {
    title: 'who is to fit goes where a cell is large enough, though another host has as much',
    hosts: [
      [2_048, 2_048, 2_048, 2_048],
      [4_096, 4_096]
    ],
    wish: fitting('web', 3_000),
    chosen: 'h2'
  },
  {
    title: 'where no cell is, it is said how much the best one has',
    hosts: [[4_096, 4_096]],
    wish: fitting('web', 3_850),
    reasons: [
      'h1: needs 3850 MiB and 1 vcpus in one NUMA cell, of its 2 ' +
        'cell 0 has the most left, 3840 MiB and 8 vcpus'
    ],
    next: 'it would fit in more than one NUMA cell: h1'
  },
  {
    title: 'processors of one cell count as well as memory',
    hosts: [[4_096, 4_096]],
    wish: fitting('web', 256, { vcpus: 9 }),
    reasons: [
      'h1: needs 256 MiB and 9 vcpus in one NUMA cell, of its 2 ' +
        'cell 0 has the most left, 3840 MiB and 8 vcpus'
    ]
  },
  {
    title: 'nobody knows yet in which cells others are: they count in each',
    hosts: [[4_096, 4_096]],
    before: cloud => {
      cloud.done(fitting('other', 1_800))
      cloud.done(fitting('third', 1_800))
    },
    wish: fitting('web', 3_841),
    reasons: [
      'h1: needs 3841 MiB and 1 vcpus in one NUMA cell, of its 2 ' +
        'cell 0 has the most left, 240 MiB and 6 vcpus'
    ]
  },
  {
    title: 'once it is known, it counts in that one alone',
    hosts: [[4_096, 4_096]],
    before: cloud => {
      cloud.done(fitting('other', 2_000))
      seat(cloud, 'h1', { other: 1 })
    },
    wish: fitting('web', 3_700),
    chosen: 'h1'
  },
  {
    title: 'of a full cell and an empty one the empty one is told',
    hosts: [[4_096, 4_096]],
    before: cloud => {
      cloud.done(fitting('other', 2_000))
      seat(cloud, 'h1', { other: 0 })
    },
    wish: fitting('web', 3_850),
    reasons: [
      'h1: needs 3850 MiB and 1 vcpus in one NUMA cell, of its 2 ' +
        'cell 1 has the most left, 3840 MiB and 8 vcpus'
    ]
  },
  {
    title: 'who need not fit takes nothing of a cell, but of the host',
    hosts: [[4_096, 4_096]],
    before: cloud => cloud.done(instanceIntent('other', { memoryMib: 5_000, pool: 'far' })),
    wish: fitting('web', 2_700),
    reasons: ['h1: needs 2700 MiB, has 2680 MiB unpromised (of 7680 MiB, 5000 MiB promised)']
  },
  {
    title: 'a host that has not said which cells it has takes nobody who is to fit',
    hosts: [[4_096, 4_096]],
    before: cloud =>
      cloud.report('h1', {
        ...cloud.view.heard('h1').report!,
        number: 3,
        facts: { ...sampleFacts('h1', 8_192), cellsChosen: true }
      }),
    wish: fitting('web', 512),
    reasons: ['h1: needs 512 MiB and 1 vcpus in one NUMA cell, and has not said which it has']
  },
  {
    title: 'an agent that does not choose cells is asked for none, though its host has them',
    hosts: [[4_096, 4_096]],
    before: cloud => {
      const { cellsChosen: _, ...facts } = machine('h1', [4_096, 4_096])
      cloud.report('h1', { ...cloud.view.heard('h1').report!, number: 3, facts })
    },
    wish: fitting('web', 512),
    reasons: ['h1: its agent is older and chooses no NUMA cell: update it first']
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
    if (next !== undefined) t.true(verdict.refused.next.includes(next), verdict.refused.next[0])
    return undefined
  })
}

test('a container and huge pages are fitted into no cell', t => {
  const cloud = cloudWith([8_192])
  const box = fitting('box', 64, { type: 'container', image: 'tiny-container' })
  t.regex(JSON.stringify(cloud.judged(box)), /cannot fit a container into one NUMA cell/)
  const huge = fitting('huge', 64, { hugePages: '2M' })
  t.regex(JSON.stringify(cloud.judged(huge)), /cannot fit memory in huge pages into one NUMA cell/)
})

test('one that runs in a cell grows only once it is stopped, and moves only shut down', t => {
  const cloud = cloudWith([4_096, 4_096], [4_096, 4_096])
  cloud.done(fitting('web', 1_000))
  const { id, spec } = cloud.view.named('instance', 'web', 'default')!
  const grow = { ...spec, memoryMib: 1_100 }
  const change = { verb: 'change', kind: 'instance', id, labels: {}, spec: grow } as const
  t.regex(JSON.stringify(cloud.judged(change)), /cannot make instance web larger while it runs/)
  const move = cloud.judged({ verb: 'move', id })
  t.regex(JSON.stringify(move), /one NUMA cell of h\d cannot be sent to another host/)
  cloud.done({ verb: 'power', id, power: 'stopped' })
  t.false(isRefusal(cloud.judged({ ...change, spec: { ...grow, desiredPower: 'stopped' } })))
})

test('its host is told how much of a cell it takes, and what cells may give', t => {
  const cloud = cloudWith([4_096, 4_096])
  const orderOf = () => orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: () => 'u' })
  t.is(orderOf().cellTerms, undefined)
  cloud.done(fitting('web', 1_000))
  t.deepEqual(orderOf().instances[0]?.fit, { memoryMib: 1_000 })
  t.deepEqual(orderOf().cellTerms, { reservedMib: 512, vcpusPerThread: 4 })
})

test('plans of many and of losses count cells', t => {
  const cloud = cloudWith([4_096, 4_096], [4_096, 4_096])
  const { view, context } = cloud
  const shape = { type: 'vm', memoryMib: 2_000, vcpus: 1, pool: 'far', numa: 'fit' } as const
  t.like(spreadPlan(view, { ...shape, count: 9 }, context.now), { placed: 2 })
  cloud.done(fitting('a', 3_000))
  cloud.done(fitting('b', 3_000))
  const stranded = (): number => {
    const ground = surveyed(view, context.now)
    const host = ground.rows.findIndex(row => row.host.name === 'h1')
    return planOf(ground, [host]).stranded.length
  }
  t.is(stranded(), 1, 'b may be in either cell')
  const other = view.named('instance', 'b', 'default')!.decided.host!
  seat(cloud, other, { [other === 'h2' ? 'b' : 'a']: 0 })
  t.is(stranded(), 0, 'the other cell is free')
})

test('who would fit once it is known in which cell another one is waits for that', t => {
  const cloud = cloudWith([4_096, 4_096])
  cloud.done(fitting('other', 2_000))
  cloud.done(fitting('web', 2_000))
  const hostOf = (name: string) => cloud.view.named('instance', name, 'default')!.decided.host
  t.is(hostOf('web'), undefined)
  const explained = whyOf(cloud.view, cloud.view.named('instance', 'web', 'default')!, {
    ...cloud.context.now
  })
  t.regex(
    explained.placement?.rejected?.[0]?.because ?? '',
    /1840 MiB and 7 vcpus; 2000 MiB of others count in each until it is known in which they are$/
  )
  t.deepEqual(decidedBy(cloud), [])
  seat(cloud, 'h1', { other: 0 })
  decidedBy(cloud)
  t.is(hostOf('web'), 'h1')
})

test('where room is kept for losses nobody is promised what is not known to be there', t => {
  const cloud = cloudWith([4_096, 4_096], [4_096, 4_096])
  cloud.done(fitting('other', 2_000))
  cloud.done(fitting('another', 2_000))
  const commit = setHealing(cloud.view, { reserveHosts: 1 }, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
  t.true(isRefusal(cloud.judged(fitting('web', 2_000))))
})

test('where an agent chooses no cells no room is kept for who is to fit into one', t => {
  const cloud = cloudWith([4_096, 4_096], [4_096, 4_096])
  const { cellsChosen: _, ...facts } = machine('h2', [4_096, 4_096])
  cloud.report('h2', { ...cloud.view.heard('h2').report!, number: 3, facts })
  const commit = setHealing(cloud.view, { reserveHosts: 1 }, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
  const verdict = cloud.judged(fitting('web', 1_000))
  t.regex(
    isRefusal(verdict) ? (verdict.refused.reasons[0] ?? '') : 'it was taken',
    /web.* h1|h1.* web/
  )
  t.false(isRefusal(cloud.judged(instanceIntent('any', { memoryMib: 1_000, pool: 'far' }))))
})

test('no more wait for cells than find one once it is known where others are', t => {
  const cloud = cloudWith([4_096, 4_096])
  const names = Array.from({ length: 9 }, (_, at) => `w${at}`)
  const verdicts = names.map(name => {
    const verdict = cloud.judged(fitting(name, 3_000))
    if (!isRefusal(verdict)) cloud.commit(verdict.commit)
    return verdict
  })
  t.deepEqual(
    verdicts.map(verdict => (isRefusal(verdict) ? '-' : (verdict.placement?.chosen?.name ?? '?'))),
    ['h1', '?', '-', '-', '-', '-', '-', '-', '-']
  )
  const refused = verdicts[2]!
  t.deepEqual(isRefusal(refused) && refused.refused.reasons, [
    'h1: needs 3000 MiB and 1 vcpus in one NUMA cell, of its 2 cell 0 has the most left, ' +
      '840 MiB and 7 vcpus; 3000 MiB of others count in each until it is known in which they are',
    'nor is a cell left for it once those have theirs that came before it'
  ])
  // One that fits beside both waits as well: 840 MiB are left in each then.
  t.is(hostOf(cloud, 'w1'), undefined)
  t.false(isRefusal(cloud.judged(fitting('small', 800))))
  seat(cloud, 'h1', { w0: 0 })
  decidedBy(cloud)
  t.is(hostOf(cloud, 'w1'), 'h1')
})

test('of several that have come each is counted in one cell by those who would wait', t => {
  const cloud = cloudWith([4_096, 4_096])
  cloud.done(fitting('a', 1_900))
  cloud.done(fitting('b', 1_900))
  t.false(isRefusal(cloud.judged(fitting('third', 3_800))), 'both may be in one cell')
  cloud.done(fitting('large', 3_800))
  t.true(isRefusal(cloud.judged(fitting('third', 3_800))))
  t.true(isRefusal(cloud.judged(fitting('fourth', 60))))
})

test('who was let in and finds no cell in the end is told of, once', t => {
  const cloud = cloudWith([4_096, 4_096])
  const told = () =>
    decidedBy(cloud).flatMap(({ decisions }) =>
      decisions.map(({ verb, subjects }) => `${verb} ${subjects[0]}`)
    )
  cloud.done(fitting('a', 1_900))
  cloud.done(fitting('b', 1_900))
  cloud.done(fitting('large', 3_800))
  t.deepEqual(told(), [])
  seat(cloud, 'h1', { a: 0, b: 1 })
  t.deepEqual(told(), ['no-cell instance/large'])
  t.deepEqual(told(), [])
  t.is(hostOf(cloud, 'large'), undefined)
  const event = [...cloud.view.all('event').values()].find(
    ({ spec }) => spec.reason === 'not-placed'
  )
  t.regex(event?.spec.message ?? '', /^cannot place instance large: .*; it waits for one that can$/)
})

const hostOf = (cloud: SampleCloud, name: string): string | undefined =>
  cloud.view.named('instance', name, 'default')!.decided.host
