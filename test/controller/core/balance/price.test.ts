/** What moves cost, and levelling by what is used. */
import test from 'ava'
import fc from 'fast-check'
import type { Report } from '#shared/wire/order.ts'
import { setWeights } from '../../../../controller/core/admission/weights.ts'
import { balanceGround } from '../../../../controller/core/balance/ground.ts'
import { earning, movePrice } from '../../../../controller/core/balance/move-price.ts'
import { type BalancePlan, planBalance } from '../../../../controller/core/balance/plan.ts'
import { propose } from '../../../../controller/core/balance/search.ts'
import type { ScoreName } from '../../../../controller/core/placement/weights.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { sampleFacts } from '../../../world/sample-cloud.ts'
import { Yard } from '../../../world/yard.ts'

const effort = { movesMax: 50, gainMin: 0.005, trials: 0, seed: 1 }
function planOf({ cloud }: Yard, minuteGain?: number): BalancePlan {
  const now = () => cloud.context.now
  const planning = planBalance(cloud.view, { now, effort, minuteGain })
  let step = planning.next()
  while (!step.done) step = planning.next(propose(step.value.problem, step.value.effort))
  return step.value
}

const nic = (speedMbit: number, up = true) => ({
  ...{ name: 'eno1', mac: '52:54:00:00:00:01', up, virtualFunctionsMax: 0, speedMbit }
})

/** A host says something besides what it says always. */
function says({ cloud }: Yard, host: string, more: Partial<Report>): void {
  const last = cloud.view.heard(host).report!
  cloud.report(host, { ...last, number: last.number + 1, ...more })
}

const prices: readonly {
  readonly title: string
  readonly before?: (yard: Yard) => void
  readonly seconds: number
  readonly because: RegExp
}[] = [
  {
    title: 'a line that says no speed is one of 1 Gbit/s',
    seconds: 9.54,
    because: /^1024 MiB at 107 MiB\/s, as their lines are$/
  },
  {
    title: 'the slower line of both counts',
    before: yard => {
      says(yard, 'h1', { facts: { ...sampleFacts('h1', 8_192), nics: [nic(10_000)] } })
      says(yard, 'h2', { facts: { ...sampleFacts('h2', 8_192), nics: [nic(25_000)] } })
    },
    seconds: 0.954,
    because: /^1024 MiB at 1073 MiB\/s/
  },
  {
    title: 'a line that is down does not',
    before: yard => {
      const nics = [nic(100_000, false), nic(10_000)]
      says(yard, 'h1', { facts: { ...sampleFacts('h1', 8_192), nics } })
      says(yard, 'h2', { facts: { ...sampleFacts('h2', 8_192), nics } })
    },
    seconds: 0.954,
    because: /1073 MiB\/s/
  },
  {
    title: 'what it has written while it was sent last is sent again',
    before: yard => moved(yard, { mibPerSecond: 64, writtenMibPerSecond: 32 }),
    seconds: 32,
    because: /^1024 MiB at 64 MiB\/s, as it went last, writing 32 MiB\/s$/
  },
  {
    title: 'one that writes faster than it is sent is sent four times at most',
    before: yard => moved(yard, { mibPerSecond: 64, writtenMibPerSecond: 200 }),
    seconds: 64,
    because: /writing 200 MiB\/s/
  }
]

function moved(yard: Yard, pace: object): void {
  const last = yard.cloud.view.heard('h1').report!
  const move = { move: 'mv', step: 1, stand: 'sending' as const, message: 'm', ...pace }
  says(yard, 'h1', { instances: last.instances.map(each => ({ ...each, move })) })
}

for (const { title, before, seconds, because } of prices) {
  test(title, t => {
    const yard = new Yard({ h1: 8_192, h2: 8_192 })
    yard.fill('h1', { web: { memoryMib: 1_024 } })
    before?.(yard)
    const move = { instance: yard.instance('web'), from: 'h1', to: 'h2' }
    const found = movePrice(yard.cloud.view, move, 0.06)
    t.true(Math.abs(found.seconds - seconds) < seconds / 100, `${found.seconds}`)
    t.true(Math.abs(found.price - found.seconds / 1_000) < 1e-12)
    t.regex(found.because, because)
  })
}

test('a move that gains less than it costs is not made, and why is said', t => {
  const yard = new Yard({ h1: 65_536, h2: 65_536 })
  yard.fill('h1', { large: { memoryMib: 16_384 }, small: { memoryMib: 512 } })
  const cheap = planOf(yard, 0)
  t.is(cheap.steps[0]?.instance.name, 'large')
  t.true(cheap.steps[0]!.price.seconds > 150)
  t.is(cheap.steps[0]!.price.price, 0)
  const dear = planOf(yard, 0.5)
  t.deepEqual(
    dear.steps.map(({ instance }) => instance.name),
    ['small']
  )
  const [{ instance, because } = { instance: undefined, because: '' }] = dear.refused
  t.is(instance?.name, 'large')
  t.regex(because, /^its move takes 153 s \(16384 MiB at 107 MiB\/s, as their lines are\) and/)
  t.regex(because, /would gain 0\.\d+, less than the 1\.2726 that so long a move must gain$/)
})

const chains: readonly (readonly [string, readonly number[], readonly number[], string])[] = [
  ['each that gains more than its price earns it', [3, 1], [2, 2], 'yn'],
  ['one half of an exchange is paid by the other', [-1, 5], [1, 1], 'yy'],
  ['unless both together lose', [-1, 2], [1, 1], 'ny'],
  ['what follows later pays as well', [-1, -1, 9], [1, 1, 1], 'yyy'],
  ['but not for one that gains by itself, and too little', [1, 9], [2, 1], 'ny'],
  ['nor past such a one', [-1, 1, 9], [1, 2, 1], 'nny'],
  ['what went before does not', [9, 1], [1, 2], 'yn'],
  ['nothing is asked of what costs nothing', [0, 0], [0, 0], 'yy']
]
for (const [title, gains, costs, expected] of chains) {
  test(title, t => {
    const steps = gains.map((gain, at) => ({ gain, price: costs[at]! }))
    t.is(
      earning(steps)
        .map(earns => (earns ? 'y' : 'n'))
        .join(''),
      expected
    )
  })
}

test('who earns gains what it costs, or loses and starts a chain of losses that is paid', t => {
  const step = fc.record({ gain: fc.integer({ min: -9, max: 9 }), price: fc.nat(9) })
  const property = fc.property(fc.array(step, { maxLength: 8 }), steps => {
    const expected = steps.map((_, from) =>
      steps.some((__, to) => {
        const some = steps.slice(from, to + 1)
        if (to < from || some.slice(0, -1).some(({ gain }) => gain >= 0)) return false
        return some.reduce((sum, { gain, price }) => sum + gain - price, 0) >= 0
      })
    )
    t.deepEqual(earning(steps), expected)
  })
  fc.assert(property, { numRuns: 500 })
})

function weigh({ cloud }: Yard, weights: Partial<Record<ScoreName, number>>): void {
  const commit = setWeights(cloud.view, weights, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
}

/** Both hosts have promised the same, and what runs on h1 keeps its four threads busy. */
function busyYard(): Yard {
  const yard = new Yard({ h1: 8_192, h2: 8_192 })
  yard.fill('h1', { a: {}, b: {} })
  yard.fill('h2', { c: {}, d: {} })
  const each = (...names: readonly string[]) =>
    names.map(name => ({ id: yard.instance(name).id, cpu: 1.5, networkMbit: 0 }))
  says(yard, 'h1', { use: { look: 1, cpu: 0.75, instances: each('a', 'b') } })
  says(yard, 'h2', { use: { look: 1, cpu: 0.1, instances: [] } })
  return yard
}

test('what is promised alike and used unlike is levelled where that has a weight', t => {
  const yard = busyYard()
  t.is(planOf(yard).steps.length, 0)
  weigh(yard, { cpuMeasured: 100 })
  const { steps, before, after } = planOf(yard)
  t.deepEqual(
    steps.map(({ instance, from, to }) => [instance.name, from, to]),
    [
      ['a', 'h1', 'h2'],
      ['c', 'h2', 'h1']
    ]
  )
  t.true(after < before - 0.1)
})

test('while one host does not say what it uses, none is levelled by that, and it is named', t => {
  const yard = busyYard()
  weigh(yard, { cpuMeasured: 100, networkMeasured: 100 })
  const ground = () => balanceGround(yard.cloud.view, yard.cloud.context.now)
  const names = () => ground().problem.dimensions.map(({ name }) => name)
  const network = {
    name: 'networkMeasured' as const,
    because: 'no line that is up says its speed on h1, h2'
  }
  t.deepEqual(names(), ['memory', 'vcpus', 'cpuMeasured'])
  t.deepEqual(ground().unmeasured, [network])
  yard.turns(31, 2_000)
  t.deepEqual(names(), ['memory', 'vcpus'])
  says(yard, 'h1', { use: { look: 9, cpu: 0.75, instances: [] } })
  const because = 'what is used is not said by h2'
  t.deepEqual(ground().unmeasured, [{ name: 'cpuMeasured', because }, network])
})

test('lines are levelled by what goes over them', t => {
  const yard = busyYard()
  weigh(yard, { networkMeasured: 100 })
  yard.turns(60, 2_000)
  const { id } = yard.instance('a')
  for (const [host, network, sent] of [
    ['h1', 0.8, [{ id, cpu: 0, networkMbit: 700 }]],
    ['h2', 0, []]
  ] as const) {
    const facts = { ...sampleFacts(host, 8_192), nics: [nic(1_000)] }
    says(yard, host, { facts, use: { look: 2, cpu: 0, network, instances: [...sent] } })
  }
  const { steps } = planOf(yard)
  t.deepEqual(
    steps.map(({ instance, to }) => [instance.name, to]),
    [
      ['a', 'h2'],
      ['c', 'h1']
    ]
  )
})
