/** Who is started now, where not all may come up at once or some wait for others. */
import test from 'ava'
import fc from 'fast-check'
import { uuidOf } from '#shared/ids.ts'
import type { OrderInstance } from '#shared/wire/order.ts'
import { upMsMax } from '../../../agent/core/start-turns.ts'
import { ModelWorld } from '../model-world.ts'
import { idOf, instance, order, volume } from '../samples.ts'

/** Instances with these priorities, and all that they need. */
function orderOf(
  priorities: readonly number[],
  given: { readonly startsMax?: number; readonly each?: Partial<OrderInstance> } = {}
) {
  const { startsMax, each } = given
  return order({
    volumes: priorities.map((_, at) => volume({ id: idOf('v', at), name: `root-${at}` })),
    instances: priorities.map((priority, at) =>
      instance({
        id: idOf('i', at),
        name: `i${at}`,
        priority,
        volumes: [idOf('v', at)],
        ports: [],
        ...each
      })
    ),
    ...(startsMax !== undefined && { startsMax })
  })
}

const readiness = { tcp: 80, timeoutMs: 300_000, late: 'wait' as const }

/** Does all but the starts, and gives the plan that wishes for these. */
function untilStarts(world: ModelWorld) {
  for (;;) {
    const plan = world.look()
    const others = plan.steps.filter(({ type }) => type !== 'create-domain')
    if (others.length === 0) return plan
    for (const step of others) world.apply(step)
  }
}

const startsIn = (plan: ReturnType<ModelWorld['look']>): readonly string[] =>
  plan.steps.flatMap(step => (step.type === 'create-domain' ? [step.plan.instance.name] : []))

test('the most important are started first, and the others say whose turn it is', t => {
  const world = new ModelWorld(orderOf([10, 900, 500, 900], { startsMax: 2, each: { readiness } }))
  const plan = untilStarts(world)
  t.deepEqual([...startsIn(plan)].sort(), ['i1', 'i3'])
  const [low] = plan.verdicts.instances
  t.like(low, { power: 'waiting', reason: 'waits-for-turn', settled: false })
  t.is(
    low!.message,
    'waits for its turn, 2 of 2: 2 of 2 starts under way on h1 (i1, i3); ' +
      'each is until it is ready, at most 60 s'
  )
})

test('what runs is not told of any turn, nor what is under way', t => {
  const world = new ModelWorld(orderOf([1, 2, 3], { startsMax: 1 }))
  world.begin(untilStarts(world).steps[0]!)
  t.deepEqual(
    world.look().verdicts.instances.map(({ reason }) => reason),
    ['waits-for-turn', 'waits-for-turn', 'starting']
  )
})

test('one that is not ready counts for a minute, and then no longer', t => {
  const world = new ModelWorld(orderOf([1, 2], { startsMax: 1, each: { readiness } }))
  world.run({ forMs: upMsMax - 1_000 })
  t.is(world.domains.length, 1)
  world.pass(2_000)
  world.run()
  t.is(world.domains.length, 2)
})

test('whoever is held waits for others, and is started once it is not', t => {
  const world = new ModelWorld(orderOf([1], { each: { hold: true } }))
  const [held] = world.run({ forMs: 60_000 }).verdicts.instances
  t.like(held, { power: 'waiting', reason: 'others-not-ready', settled: false })
  t.is(world.domains.length, 0)
  world.take(orderOf([1]))
  world.run()
  t.is(world.domains.length, 1)
})

test('what runs goes on when it is held, and after a crash or a restart as well', t => {
  const world = new ModelWorld(orderOf([1]))
  world.run()
  world.take(orderOf([1], { each: { hold: true } }))
  t.is(world.run().verdicts.instances[0]?.power, 'running')
  world.end(uuidOf(idOf('i', 0)), 'crashed')
  t.is(world.run({ forMs: 1_000 }).verdicts.instances[0]?.power, 'running')
  world.take(orderOf([1], { each: { hold: true, restarts: 1 } }))
  t.is(world.run({ forMs: 60_000 }).verdicts.instances[0]?.power, 'running')
})

test('what was stopped, or was on another host meanwhile, is held like any other', t => {
  for (const between of [orderOf([1], { each: { desiredPower: 'stopped' } }), orderOf([])]) {
    const world = new ModelWorld(orderOf([1]))
    world.run()
    world.take(between)
    world.run({ forMs: 60_000 })
    world.take(orderOf([1], { each: { hold: true } }))
    t.is(world.run().verdicts.instances[0]?.reason, 'others-not-ready')
  }
})

test('however many there are, no more come up at once than may, and all do', t => {
  const cases = fc.record({
    priorities: fc.array(fc.nat(5), { minLength: 1, maxLength: 12 }),
    startsMax: fc.integer({ min: 1, max: 4 })
  })
  fc.assert(
    fc.property(cases, ({ priorities, startsMax }) => {
      const world = new ModelWorld(orderOf(priorities, { startsMax }))
      const started: number[] = []
      for (let left = priorities.length; left > 0; ) {
        const plan = untilStarts(world)
        const names = startsIn(plan)
        if (names.length === 0 || names.length > startsMax) return false
        started.push(...names.map(name => priorities[Number(name.slice(1))]!).sort((a, b) => b - a))
        for (const step of plan.steps) world.apply(step)
        left -= names.length
      }
      return started.every((priority, at) => at === 0 || started[at - 1]! >= priority)
    }),
    { numRuns: 50 }
  )
  t.pass()
})
