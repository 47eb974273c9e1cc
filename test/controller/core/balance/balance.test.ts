/** Hosts that are levelled: what is planned, what the rules keep from it, and how it is done. */
import test from 'ava'
import fc from 'fast-check'
import {
  beginBalance,
  setBalance,
  stopBalance
} from '../../../../controller/core/balance/admission.ts'
import { balanceGround } from '../../../../controller/core/balance/ground.ts'
import { type BalancePlan, planBalance } from '../../../../controller/core/balance/plan.ts'
import { propose, unevenness } from '../../../../controller/core/balance/search.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { Yard } from '../../../world/yard.ts'

const room = 8_192
const four = { h1: room, h2: room, h3: room, h4: room }
const many = (count: number, spec: object = {}): Record<string, object> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`vm-${at}`, spec]))

const effort = { movesMax: 50, gainMin: 0.005, trials: 0, seed: 1 }
function planOf({ cloud }: Yard, more: Partial<typeof effort> = {}): BalancePlan {
  const now = () => cloud.context.now
  const planning = planBalance(cloud.view, { now, effort: { ...effort, ...more } })
  let step = planning.next()
  while (!step.done) step = planning.next(propose(step.value.problem, step.value.effort))
  return step.value
}
const scoreOf = ({ cloud }: Yard) =>
  unevenness(balanceGround(cloud.view, cloud.context.now).problem)

function begun(yard: Yard, parallel = 2): void {
  const { view, context } = yard.cloud
  const commit = beginBalance(view, { plan: planOf(yard), parallel }, context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  yard.cloud.commit(commit)
}

const eventOf = ({ cloud }: Yard, reason: string): string | undefined =>
  [...cloud.view.all('event').values()].find(({ spec }) => spec.reason === reason)?.spec.message

test('what a host has too much of goes to the others, so many at once', t => {
  const yard = new Yard(four)
  yard.fill('h1', many(8))
  const before = scoreOf(yard)
  const plan = planOf(yard)
  t.is(plan.steps.length, 6)
  t.is(plan.before, before)
  t.true(plan.after < 1e-9)
  begun(yard)
  yard.decide()
  t.is(yard.moving().length, 2)
  t.true(yard.moving().every(each => each.endsWith('live')))
  yard.turns(30)
  for (const host of yard.names) t.is(yard.on(host).length, 2, host)
  t.is(yard.cloud.view.cloud?.balance?.run, undefined)
  t.regex(
    eventOf(yard, 'balanced') ?? '',
    /^6 of 6 moves made in .*: unevenness .* before, 0.0000 now$/
  )
  t.is(yard.cloud.view.cloud?.balance?.last?.failed, 0)
})

const kept: readonly {
  readonly title: string
  readonly spec: object
  readonly because: RegExp
}[] = [
  {
    title: 'of a local volume',
    spec: { pool: 'local' },
    because: /which only its own host sees/
  },
  { title: 'that is bound to its host', spec: { host: 'h1' }, because: /spec\.host/ },
  {
    title: 'that is a container',
    spec: { type: 'container', image: 'tiny-container' },
    because: /a container cannot go while it runs/
  }
]
for (const { title, spec, because } of kept) {
  test(`an instance ${title} stays, and others make up for it`, t => {
    const yard = new Yard(four)
    yard.fill('h1', { fixed: spec, ...many(7) })
    const { steps, ground } = planOf(yard)
    t.false(steps.some(({ instance }) => instance.name === 'fixed'))
    t.is(steps.length, 6)
    t.regex(ground.stays.get(yard.instance('fixed').id) ?? '', because)
  })
}

test('a host out of service takes nothing in', t => {
  const yard = new Yard(four)
  yard.fill('h1', many(6))
  yard.drain('h4')
  yard.turns(2)
  const { steps } = planOf(yard)
  t.is(steps.length, 4)
  t.false(steps.some(({ to }) => to === 'h4'))
})

test('the rules have the last word: what a label forbids is not planned, and is said', t => {
  const yard = new Yard(four)
  const { id, spec, labels } = yard.cloud.host('h1')
  const marked = { ...labels, disk: 'ssd' }
  yard.cloud.done({ verb: 'change', kind: 'host', id, labels: marked, spec })
  yard.fill('h1', { picky: { hostLabels: { disk: 'ssd' } }, ...many(7) })
  const { steps, refused } = planOf(yard)
  t.false(steps.some(({ instance }) => instance.name === 'picky'))
  for (const { instance, because } of refused) {
    t.is(instance.name, 'picky')
    t.regex(because, /disk/)
  }
  t.is(steps.length, 6)
})

test('of a group at most one moves in one plan', t => {
  const yard = new Yard(four)
  const affinity = [{ group: 'web', rule: 'apart', level: 'host', hard: false, max: 1 }]
  yard.fill('h1', { ...many(6, { affinity }) })
  const { steps } = planOf(yard)
  t.is(steps.length, 1)
})

test('a move that comes to nothing is told, and the others are made', t => {
  const yard = new Yard(four)
  yard.fill('h1', many(8))
  const plan = planOf(yard)
  yard.failing.add(plan.steps[1]!.instance.name)
  begun(yard)
  yard.turns(40)
  t.is(yard.cloud.view.cloud?.balance?.run, undefined)
  t.regex(
    eventOf(yard, 'balanced') ?? '',
    /^5 of 6 moves made in .*; not: vm-\d \(it has stayed on h1\)$/
  )
  t.is(yard.cloud.view.cloud?.balance?.last?.failed, 1)
})

test('stopped, what is on its way arrives; it is not begun twice', t => {
  const yard = new Yard(four)
  yard.fill('h1', many(8))
  begun(yard, 1)
  yard.decide()
  t.throws(() => begun(yard), { message: /they are being levelled/ })
  const { view, context } = yard.cloud
  yard.cloud.commit(stopBalance(view, context))
  yard.turns(20)
  t.is(yard.on('h1').length, 7)
  t.regex(eventOf(yard, 'balance-stopped') ?? '', /0 of 6 moves made, 1 on their way, which go on$/)
})

test('what has changed since the plan is judged as it is', t => {
  const yard = new Yard(four)
  yard.fill('h1', many(8))
  begun(yard, 1)
  yard.drain('h2')
  yard.turns(60)
  t.is(yard.on('h2').length, 0)
  t.regex(eventOf(yard, 'balanced') ?? '', /not: .*out of service/)
})

test('automatic levelling is set, changed and taken back', t => {
  const { cloud } = new Yard({ h1: room })
  const set = (wish: Parameters<typeof setBalance>[1]): number => {
    const commit = setBalance(cloud.view, wish, cloud.context)
    if (isRefusal(commit)) throw new Error(commit.refused.message)
    if (commit.changes.length > 0) cloud.commit(commit)
    return commit.changes.length
  }
  t.is(set({}), 1)
  t.is(set({}), 0)
  const words = () => cloud.view.history('cloud/balance').at(-1)?.because ?? ''
  t.regex(words(), /by at most 20 moves that gain 0\.005 each and 0\.002 more for every minute/)
  t.is(set({ minuteGain: 0.07 }), 1)
  t.regex(words(), /and 0\.07 more for every minute that they take, 2 at once, 10 min apart$/)
  t.is(set({ gainMin: 0.3 }), 1)
  t.is(cloud.view.cloud?.balance?.automatic?.gainMin, 0.3)
  t.is(set(null), 1)
  t.is(cloud.view.cloud?.balance, undefined)
})

test('an instance that moves twice in one plan is not given up before its first move', t => {
  const yard = new Yard(four)
  const bound = { host: 'h3' }
  yard.fill('h3', { 'vm-0': {}, 'vm-1': bound })
  yard.fill('h1', { 'vm-2': { memoryMib: 1_024 } })
  yard.fill('h3', { 'vm-3': {} })
  for (const name of ['vm-4', 'vm-5']) yard.fill('h3', { [name]: { memoryMib: 1_024, ...bound } })
  yard.fill('h1', { 'vm-6': { memoryMib: 1_024 } })
  const { steps, after } = planOf(yard)
  t.is(steps.filter(({ instance }) => instance.name === 'vm-0').length, 2)
  begun(yard, 1)
  yard.turns(60)
  t.is(yard.cloud.view.cloud?.balance?.last?.failed, 0)
  t.true(Math.abs(scoreOf(yard) - after) < 1e-9)
})

const runs = Number(process.env['REMUDA_RUNS'] ?? 60)

test('whatever the cloud, every move is allowed in its turn, and it ends more even', t => {
  const wish = fc.record({
    host: fc.constantFrom('h1', 'h2', 'h3', 'h4'),
    size: fc.constantFrom('small', 'medium'),
    bound: fc.boolean()
  })
  const property = fc.property(fc.array(wish, { maxLength: 14 }), fc.nat(3), (wishes, parallel) => {
    const yard = new Yard(four)
    for (const [at, { host, bound, size }] of wishes.entries()) {
      const memory = size === 'small' ? {} : { memoryMib: 1_024 }
      try {
        yard.fill(host, { [`vm-${at}`]: { ...memory, ...(bound && { host }) } })
      } catch {
        // The host is full.
      }
    }
    const before = scoreOf(yard)
    const plan = planOf(yard)
    t.true(plan.after <= before + 1e-9)
    t.deepEqual(planOf(yard).steps, plan.steps)
    if (plan.steps.length === 0) return
    begun(yard, parallel + 1)
    yard.turns(80)
    t.is(yard.cloud.view.cloud?.balance?.run, undefined)
    t.is(yard.cloud.view.cloud?.balance?.last?.failed, 0)
    t.true(Math.abs(scoreOf(yard) - plan.after) < 1e-9)
    t.true(scoreOf(yard) < before)
  })
  fc.assert(property, { numRuns: runs })
})
