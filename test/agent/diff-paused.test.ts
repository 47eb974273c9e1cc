/** Instances whose processors stand still: by a wish, by an accident, or for good. */
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { Plan } from '../../agent/core/diff.ts'
import { rememberFailure } from '../../agent/core/memory-steps.ts'
import { ModelWorld } from './model-world.ts'
import { instance, order } from './samples.ts'

const types = (plan: Plan) => plan.steps.map(step => step.type)
const first = (plan: Plan) => plan.verdicts.instances[0]!

/** A world in which the ordered instance runs. */
function running(): ModelWorld {
  const world = new ModelWorld(order())
  world.run()
  world.done.length = 0
  return world
}

test('a pause and its end are steps of their own', t => {
  const world = running()
  world.take(order({ instances: [instance({ desiredPower: 'paused' })] }))
  t.is(first(world.run()).power, 'paused')
  world.take(order({ instances: [instance()] }))
  t.is(first(world.run()).power, 'running')
  t.deepEqual(
    world.done.map(step => step.type),
    ['suspend', 'resume']
  )
})

test('an instance that pauses by itself again is resumed every 5 s at most', t => {
  const world = running()
  const pause = () => {
    world.domains = world.domains.map(each => ({
      ...each,
      state: 'paused' as const,
      reason: 'I/O error'
    }))
  }
  pause()
  world.run()
  pause()
  const plan = world.look()
  t.deepEqual(plan.steps, [])
  t.is(first(plan).message, 'was resumed and has paused again (I/O error)')
  world.pass(5_000)
  t.deepEqual(types(world.look()), ['resume'])
})

test('an instance whose processor has failed is ended as crashed, and started anew', t => {
  const world = running()
  const [domain] = world.domains
  world.domains = [{ ...domain!, state: 'paused', reason: 'unknown' }]
  const [resume] = world.look().steps
  t.is(resume?.type, 'resume')
  const fail = (code: 'conflict' | 'hypervisor'): void => {
    world.memory = rememberFailure(
      world.memory,
      resume!,
      new Fault(code, 'cannot go on'),
      world.now
    )
  }
  fail('hypervisor')
  t.deepEqual(types(world.look()), [], 'it is asked again later')
  fail('conflict')
  const [destroy] = world.look().steps
  t.like(destroy, { type: 'destroy', crashed: true })
  t.regex(destroy?.because ?? '', /^it is paused \(unknown\) and can never go on/)
  world.apply(destroy!)
  world.run({ forMs: 60_000 })
  t.deepEqual(
    world.domains.map(({ state }) => state),
    ['running']
  )
  const told = world.done.filter(step => step.type === 'create-domain').at(-1)
  t.is(told?.type === 'create-domain' && told.plan.startCount, 2)
})

for (const reason of ['starting up', 'save', 'dump', 'snapshot']) {
  test(`a domain that libvirt holds for a moment (${reason}) is not resumed`, t => {
    const world = running()
    world.domains = world.domains.map(each => ({ ...each, state: 'paused' as const, reason }))
    t.deepEqual(world.look().steps, [])
    t.is(first(world.look()).power, 'starting')
  })
}
