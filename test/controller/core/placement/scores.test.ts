/** How hosts are told apart: scores, their weights, and what is said of them. */
import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import { setWeights } from '../../../../controller/core/admission/weights.ts'
import { explainPlacement } from '../../../../controller/core/placement/explain.ts'
import { spreadPlan } from '../../../../controller/core/placement/spread-plan.ts'
import type { ScoreName } from '../../../../controller/core/placement/weights.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { whyOf } from '../../../../controller/core/why.ts'
import {
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts
} from '../../../world/sample-cloud.ts'

const instance = (cloud: SampleCloud, name: string): Instance =>
  cloud.view.named('instance', name, 'default')!

function weigh(cloud: SampleCloud, weights: Partial<Record<ScoreName, number | null>>): void {
  const commit = setWeights(cloud.view, weights, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
}

/** h1 has 4 GiB for instances, h2 8 GiB; both have 16 vcpus. */
const cloudOfTwo = () => sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 8_704 } })

type Row = {
  readonly title: string
  readonly weights: Partial<Record<ScoreName, number>>
  readonly before: (cloud: SampleCloud) => void
  readonly wish?: object
  readonly chosen: string
  readonly says: RegExp
}

const device = { pci: '0000:01:00.0', vendor: '10de', device: '1db6', class: 'gpu' } as const
const gpu = { ...device, assignable: { works: true, because: 'it is set aside' } }
const soft = (rule: 'apart' | 'with') => ({
  affinity: [{ group: 'g', rule, level: 'host', hard: false, max: 1 }]
})

const rows: readonly Row[] = [
  {
    title: 'by itself the largest share of unpromised memory decides',
    weights: {},
    before: cloud => cloud.done(instanceIntent('a', { host: 'h1', memoryMib: 128 })),
    chosen: 'h2',
    says: /^h2 has the most free memory \(8192 of 8192 MiB unpromised\)$/
  },
  {
    title: 'processors decide where they count alone',
    weights: { memory: 0, cpu: 100 },
    before: cloud => cloud.done(instanceIntent('a', { host: 'h2', vcpus: 8 })),
    chosen: 'h1',
    says: /^h1 has the highest score, 100: cpu 100 \(/
  },
  {
    title: 'a full host is filled where few are to be used',
    weights: { memory: 0, packing: 100 },
    before: cloud => cloud.done(instanceIntent('a', { host: 'h2', memoryMib: 2_048 })),
    chosen: 'h2',
    says: /^h2 has the highest score, 25: packing 25 \(/
  },
  {
    title: 'an image that is there already is worth something where that counts',
    weights: { memory: 0, imageCached: 10 },
    before: cloud => {
      const images = [cloud.view.named('image', 'tiny', 'default')!.id]
      cloud.report('h2', { number: 2, images })
    },
    chosen: 'h2',
    says: /imageCached 10/
  },
  {
    title: 'measured memory is told from promised memory',
    weights: { memory: 0, memoryMeasured: 100 },
    before: cloud => {
      cloud.report('h1', { number: 2, memoryFreeMib: 4_608 })
      cloud.report('h2', { number: 2, memoryFreeMib: 870 })
    },
    chosen: 'h1',
    says: /memoryMeasured 100/
  },
  {
    title: 'processors that are busy are told from promised ones',
    weights: { memory: 0, cpuMeasured: 100 },
    before: cloud => {
      cloud.report('h1', { number: 2, use: { look: 1, cpu: 0.25, instances: [] } })
      cloud.report('h2', { number: 2, use: { look: 1, cpu: 0.5, instances: [] } })
    },
    chosen: 'h1',
    says: /^h1 has the highest score, 75: cpuMeasured 75 \(/
  },
  {
    title: 'a host that does not say how busy it is comes after one that is busy',
    weights: { memory: 0, cpuMeasured: 100 },
    before: cloud => cloud.report('h1', { number: 2, use: { look: 1, cpu: 0.9, instances: [] } }),
    chosen: 'h1',
    says: /cpuMeasured 10 \(/
  },
  {
    title: 'the busier disk comes last where that counts',
    weights: { memory: 0, diskMeasured: 100 },
    before: cloud => {
      cloud.report('h1', { number: 2, use: { look: 1, cpu: 0, disk: 0.1, instances: [] } })
      cloud.report('h2', { number: 2, use: { look: 1, cpu: 0, disk: 0.7, instances: [] } })
    },
    chosen: 'h1',
    says: /diskMeasured 90 \(/
  },
  {
    title: 'the busier line comes last where that counts',
    weights: { memory: 0, networkMeasured: 100 },
    before: cloud => {
      cloud.report('h1', { number: 2, use: { look: 1, cpu: 0, network: 0.9, instances: [] } })
      cloud.report('h2', { number: 2, use: { look: 1, cpu: 0, network: 0.8, instances: [] } })
    },
    chosen: 'h2',
    says: /networkMeasured 20 \(/
  },
  {
    title: 'the fuller pool comes last where disks count',
    weights: { memory: 0, disk: 100 },
    before: cloud => {
      const pool = { name: 'local', phase: 'ready' as const, message: '', capacityMib: 10_000 }
      cloud.report('h1', { number: 2, pools: [{ ...pool, freeMib: 1_000 }] })
      cloud.report('h2', { number: 2, pools: [{ ...pool, freeMib: 6_000 }] })
    },
    chosen: 'h2',
    says: /disk 60/
  },
  {
    title: 'a host with a scarce device is kept free for those that need it',
    weights: {},
    before: cloud =>
      cloud.report('h1', { number: 2, facts: { ...sampleFacts('h1', 4_608), devices: [gpu] } }),
    chosen: 'h2',
    says: /has the most free memory/
  },
  {
    title: 'who would rather be apart is, as long as there is room',
    weights: {},
    before: cloud => {
      cloud.done(instanceIntent('a', { host: 'h2', memoryMib: 128, ...soft('apart') }))
    },
    wish: soft('apart'),
    chosen: 'h1',
    says: /^h1 has the highest score, 100: memory 100 \(/
  },
  {
    title: 'who would rather be together is',
    weights: {},
    before: cloud => {
      cloud.done(instanceIntent('a', { host: 'h1', memoryMib: 128, ...soft('with') }))
    },
    wish: soft('with'),
    chosen: 'h1',
    says: /memory 96.9, softAffinity 200/
  }
]

for (const { title, weights, before, wish, chosen, says } of rows) {
  test(title, t => {
    const cloud = cloudOfTwo()
    weigh(cloud, weights)
    before(cloud)
    const { placement } = cloud.done(instanceIntent('new', wish))
    t.is(placement?.chosen?.name, chosen)
    t.regex(placement!.because, says)
  })
}

test('weights are set and taken back; what is as before is no change', t => {
  const cloud = cloudOfTwo()
  weigh(cloud, { cpu: 40 })
  t.deepEqual(cloud.view.cloud?.weights, { cpu: 40 })
  const same = setWeights(cloud.view, { cpu: 40 }, cloud.context)
  t.deepEqual(same, { changes: [], decisions: [] })
  weigh(cloud, { cpu: null })
  t.is(cloud.view.cloud?.weights, undefined)
})

test('why tells of each host what it comes to, or why it cannot take the instance', t => {
  const cloud = cloudOfTwo()
  cloud.done(instanceIntent('web', { memoryMib: 6_000, hostLabels: {} }))
  const { placement } = whyOf(cloud.view, instance(cloud, 'web'), cloud.context.now)
  t.is(placement?.chosen, 'h2')
  t.deepEqual(
    placement?.scored.map(({ host, parts }) => [host, parts.map(({ name }) => name)]),
    [['h2', ['memory', 'scarcity', 'softAffinity', 'spread']]]
  )
  t.deepEqual(
    placement?.rejected.map(({ host }) => host),
    ['h1']
  )
  t.deepEqual(placement?.changes, [])
})

test('who fits nowhere is told the single changes that are enough', t => {
  const cloud = cloudOfTwo()
  const { id, spec } = cloud.host('h1')
  cloud.done({ verb: 'change', kind: 'host', id, labels: { disk: 'ssd' }, spec })
  const next = (wish: object): readonly string[] => {
    const verdict = cloud.judged(instanceIntent('web', wish))
    return isRefusal(verdict) ? verdict.refused.next : []
  }
  t.deepEqual(next({ memoryMib: 6_000, hostLabels: { disk: 'ssd' } }).slice(0, 2), [
    'it would fit with 1904 MiB more on h1, or with --memory 4096MiB',
    'it would fit without the label disk=ssd: h2'
  ])
  t.deepEqual(next({ vcpus: 20 })[0], 'it would fit with 4 vcpus more on h1, or with --vcpus 16')
  const features = next({ cpuFeatures: ['avx2'] })
  t.deepEqual(features[0], 'it would fit without the CPU feature avx2: h1 and 1 more')
})

test('a plan says how many go where, and what keeps the others out', t => {
  const cloud = cloudOfTwo()
  const wish = { type: 'vm', memoryMib: 1_024, vcpus: 1, pool: 'local' } as const
  const { now } = cloud.context
  const before = cloud.view.position
  const some = spreadPlan(cloud.view, { ...wish, count: 9 }, now)
  t.deepEqual(!isRefusal(some) && some.hosts, [
    { host: 'h1', count: 3 },
    { host: 'h2', count: 6 }
  ])
  const all = spreadPlan(cloud.view, { ...wish, count: 20 }, now)
  t.is(!isRefusal(all) && all.placed, 12)
  t.is(!isRefusal(all) && all.rejected.length, 2)
  t.regex(JSON.stringify(all), /with 1024 MiB more on h1"/)
  t.is(cloud.view.position, before)
})

test('more room never makes less fit, and the same cloud gives the same plan', t => {
  const shape = fc.record({
    hosts: fc.array(fc.integer({ min: 600, max: 9_000 }), { minLength: 1, maxLength: 6 }),
    more: fc.nat(4_000),
    at: fc.nat(5),
    memoryMib: fc.integer({ min: 64, max: 3_000 }),
    vcpus: fc.integer({ min: 1, max: 8 })
  })
  const property = fc.property(shape, ({ hosts, more, at, memoryMib, vcpus }) => {
    const placed = (sizes: readonly number[]) => {
      const cloud = sampleCloud(
        Object.fromEntries(sizes.map((memoryMib, number) => [`h${number}`, { memoryMib }]))
      )
      const wish = { type: 'vm', memoryMib, vcpus, pool: 'local', count: 60 } as const
      return spreadPlan(cloud.view, wish, cloud.context.now)
    }
    const [first, again] = [placed(hosts), placed(hosts)]
    t.deepEqual(first, again)
    const larger = hosts.map((size, number) => (number === at % hosts.length ? size + more : size))
    const after = placed(larger)
    if (isRefusal(first) || isRefusal(after)) throw new Error('refused')
    if (after.placed < first.placed) throw new Error(`${after.placed} < ${first.placed}`)
  })
  fc.assert(property, { numRuns: 60 })
})

test('what is explained is what is chosen', t => {
  const cloud = cloudOfTwo()
  weigh(cloud, { cpu: 70, packing: 20 })
  for (let number = 0; number < 8; number += 1) cloud.done(instanceIntent(`i${number}`))
  const unplaced: Instance = { ...instance(cloud, 'i0'), id: 'i-x', name: 'x' }
  const { host: _, ...decided } = unplaced.decided
  const wished = { ...unplaced, decided: { ...decided, volumes: [] } }
  const { scored } = explainPlacement(cloud.view, wished, cloud.context.now)
  const { placement } = cloud.done(instanceIntent('x'))
  t.is(scored[0]?.host, placement?.chosen?.name)
})
