/** Hosts that are emptied, so that they can be switched off. */
import test from 'ava'
import fc from 'fast-check'
import { setHealing } from '../../../../controller/core/admission/healing.ts'
import { beginBalance, setBalance } from '../../../../controller/core/balance/admission.ts'
import { planPack } from '../../../../controller/core/balance/pack.ts'
import type { BalancePlan } from '../../../../controller/core/balance/plan.ts'
import type { Change } from '../../../../controller/core/commit.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { wishOf } from '../../../world/sample-cloud.ts'
import { Yard } from '../../../world/yard.ts'

const runs = Number(process.env['REMUDA_RUNS'] ?? 40)
// Of 4,096 MiB each 3,584 are for instances.
const four = { h1: 4_096, h2: 4_096, h3: 4_096, h4: 4_096 }

function planOf({ cloud }: Yard, movesMax = 50): BalancePlan {
  const planning = planPack(cloud.view, { now: () => cloud.context.now, movesMax })
  let step = planning.next()
  while (!step.done) step = planning.next()
  return step.value
}

function begun(yard: Yard, plan: BalancePlan): void {
  const { view, context } = yard.cloud
  const commit = beginBalance(view, { plan, parallel: 2 }, context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  yard.cloud.commit(commit)
}

/** One of 1 GiB on each host. */
function spread(spec: object = {}): Yard {
  const yard = new Yard(four)
  for (const host of yard.names) yard.fill(host, { [`on-${host}`]: { memoryMib: 1_024, ...spec } })
  return yard
}

/** A volume on a host that no instance uses. */
function freeVolume({ cloud }: Yard, { host, pool }: { host: string; pool: string }): void {
  const name = `on-${host}-${pool}`
  const spec = wishOf('volume', { pool, sizeMib: 64 })
  cloud.done({ verb: 'create', kind: 'volume', name, spec })
  const volume = cloud.view.named('volume', name, 'default')!
  const resource = { ...volume, decided: { ...volume.decided, host } }
  cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
}

const brief = ({ steps, emptied }: BalancePlan) => ({
  emptied,
  moves: steps.map(({ instance, from, to }) => `${instance.name} ${from}>${to}`)
})

type Row = {
  readonly title: string
  readonly yard: () => Yard
  readonly movesMax?: number
  readonly expected: ReturnType<typeof brief>
  readonly refused?: RegExp
}

const rows: readonly Row[] = [
  {
    title: 'what has room on one host goes there, and the others are empty',
    yard: () => spread(),
    expected: {
      emptied: ['h1', 'h3'],
      moves: ['on-h1 h1>h2', 'on-h3 h3>h2']
    }
  },
  {
    title: 'as many as may be moved',
    yard: () => spread(),
    movesMax: 1,
    expected: { emptied: ['h1'], moves: ['on-h1 h1>h2'] },
    refused: /^h3 is not emptied: more than 1 moves would be needed$/
  },
  {
    title: 'who is kept apart stays apart',
    yard: () =>
      spread({ affinity: [{ group: 'web', rule: 'apart', level: 'host', hard: true, max: 1 }] }),
    expected: { emptied: [], moves: [] },
    refused: /^h\d is not emptied: nobody else has room for on-h\d$/
  },
  {
    title: 'what cannot leave keeps its host in use, and all that is on it',
    yard: () => {
      const yard = new Yard({ h1: 4_096, h2: 4_096 })
      yard.fill('h1', { bound: { pool: 'local' }, free: {} })
      yard.fill('h2', { other: { memoryMib: 3_500 } })
      return yard
    },
    expected: { emptied: [], moves: [] },
    refused: /^h1 is not emptied: bound: .*which only its own host sees/
  },
  {
    title: 'so does what is stopped there',
    yard: () => {
      const yard = new Yard({ h1: 4_096, h2: 4_096 })
      yard.fill('h1', { resting: { desiredPower: 'stopped' } })
      yard.fill('h2', { other: { memoryMib: 3_500 } })
      return yard
    },
    expected: { emptied: ['h2'], moves: ['other h2>h1'] },
    refused: /^h1 is not emptied: resting: it is stopped there$/
  },
  {
    title: 'so does a volume that nobody uses and no other host sees',
    yard: () => {
      const yard = new Yard({ h1: 4_096, h2: 4_096 })
      for (const host of yard.names) yard.fill(host, { [`on-${host}`]: { memoryMib: 512 } })
      freeVolume(yard, { host: 'h1', pool: 'local' })
      freeVolume(yard, { host: 'h2', pool: 'far' })
      return yard
    },
    expected: { emptied: ['h2'], moves: ['on-h2 h2>h1'] },
    refused: /^h1 is not emptied: volume on-h1-local is in pool local, which only that host sees$/
  },
  {
    title: 'a host that is empty already takes nobody in',
    yard: () => {
      const yard = new Yard({ h1: 4_096, h2: 4_096 })
      yard.fill('h1', { only: {} })
      return yard
    },
    expected: { emptied: [], moves: [] },
    refused: /^h1 is not emptied: nobody else has room for only$/
  },
  {
    title: 'what is left bears the losses that room is kept for',
    yard: () => {
      const yard = new Yard({ h1: 4_096, h2: 4_096, h3: 4_096 })
      for (const host of yard.names) yard.fill(host, { [`on-${host}`]: { memoryMib: 2_000 } })
      const { view, context } = yard.cloud
      const commit = setHealing(view, { reserveHosts: 1 }, context)
      if (isRefusal(commit)) throw new Error(commit.refused.message)
      yard.cloud.commit(commit)
      return yard
    },
    expected: { emptied: [], moves: [] },
    refused: /^h1 is not emptied: /
  }
]

for (const { title, yard: make, movesMax, expected, refused } of rows) {
  test(title, t => {
    const plan = planOf(make(), movesMax)
    t.deepEqual(brief(plan), expected)
    if (refused) t.regex(plan.refused[0]?.because ?? '', refused)
  })
}

test('with room kept for a loss fewer hosts are emptied than without', t => {
  const yard = spread()
  const { view, context } = yard.cloud
  const commit = setHealing(view, { reserveHosts: 1 }, context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  yard.cloud.commit(commit)
  const { emptied, refused } = planOf(yard)
  t.deepEqual(emptied, ['h1'])
  t.regex(refused[0]?.because ?? '', /^h3 is not emptied: .*on-h\d/)
})

test('hosts that are levelled by themselves are not emptied', t => {
  const yard = spread()
  const { view, context } = yard.cloud
  const set = setBalance(view, {}, context)
  if (isRefusal(set)) throw new Error(set.refused.message)
  yard.cloud.commit(set)
  const refused = beginBalance(view, { plan: planOf(yard), parallel: 2 }, context)
  t.like(isRefusal(refused) && refused.refused, {
    message: 'cannot empty hosts: they are levelled by themselves',
    next: ['remuda balance set --automatic off']
  })
})

test('while hosts are emptied they are not levelled by themselves', t => {
  const yard = spread()
  begun(yard, planOf(yard))
  const set = (wish: Parameters<typeof setBalance>[1]) => {
    const verdict = setBalance(yard.cloud.view, wish, yard.cloud.context)
    return isRefusal(verdict) ? verdict.refused : verdict.changes.length
  }
  t.like(set({}), {
    code: 'conflict',
    message: 'cannot level hosts by themselves: hosts are being emptied',
    reasons: ['what leaves h1, h3 would come back'],
    next: ['remuda balance show -w', 'remuda balance stop']
  })
  t.is(set(null), 0)
  yard.turns(40)
  t.is(set({}), 1)
})

test('a host that is removed while it is planned takes nobody in, and is not emptied', t => {
  const yard = new Yard({ h1: 4_096, h2: 4_096, h3: 4_096 })
  for (const host of yard.names) yard.fill(host, { [`on-${host}`]: { memoryMib: 512 } })
  const { cloud } = yard
  const planning = planPack(cloud.view, { now: () => cloud.context.now, movesMax: 50 })
  t.falsy(planning.next().done)
  const [{ id }, instance] = [cloud.host('h3'), yard.instance('on-h3')]
  const moved = { ...instance, decided: { ...instance.decided, host: 'h2' } }
  const changes: readonly Change[] = [
    { op: 'put', resource: moved },
    { op: 'remove', kind: 'host', id, subject: 'host/h3' }
  ]
  cloud.commit({ changes, decisions: [] })
  let step = planning.next()
  while (!step.done) step = planning.next()
  t.deepEqual(brief(step.value), { emptied: ['h1'], moves: ['on-h1 h1>h2'] })
})

test('whatever the cloud, what is to be emptied is empty in the end', t => {
  const wish = fc.record({
    host: fc.constantFrom('h1', 'h2', 'h3', 'h4'),
    memoryMib: fc.integer({ min: 64, max: 1_500 }),
    bound: fc.integer({ min: 0, max: 4 }).map(one => one === 0)
  })
  const property = fc.property(fc.array(wish, { maxLength: 9 }), wishes => {
    const yard = new Yard(four)
    for (const [at, { host, memoryMib, bound }] of wishes.entries()) {
      try {
        yard.fill(host, { [`vm-${at}`]: { memoryMib, ...(bound && { host }) } })
      } catch {
        // The host is full.
      }
    }
    const plan = planOf(yard)
    t.deepEqual(brief(planOf(yard)), brief(plan))
    if (plan.steps.length === 0) return
    begun(yard, plan)
    yard.turns(80)
    t.is(yard.cloud.view.cloud?.balance?.run, undefined)
    t.is(yard.cloud.view.cloud?.balance?.last?.failed, 0)
    for (const host of plan.emptied) t.deepEqual(yard.on(host), [])
  })
  fc.assert(property, { numRuns: runs })
})
