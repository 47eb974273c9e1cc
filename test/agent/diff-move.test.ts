/** What an agent does about an instance that is on its way to or from another host. */
import test from 'ava'
import { ModelWorld } from './model-world.ts'
import { order } from './samples.ts'

/** A host whose one instance runs, and stands still for a migration. */
function heldWorld(): ModelWorld {
  const world = new ModelWorld()
  world.run()
  const held = { state: 'paused', reason: 'migration' } as const
  world.domains = world.domains.map(each => ({ ...each, ...held }))
  return world
}

test('a domain that a failed migration has left paused is resumed', t => {
  t.deepEqual(
    heldWorld()
      .look()
      .steps.map(({ type }) => type),
    ['resume']
  )
})

test('a domain that stands still while it is sent is not resumed', t => {
  const world = heldWorld()
  const transfer = { totalMib: 128, remainingMib: 1 }
  const transfers = new Map(world.domains.map(({ uuid }) => [uuid, transfer]))
  world.observed = { ...world.observed, transfers }
  t.deepEqual(world.look().steps, [])
})

test('a domain that stands still and that no order names is ended at once', t => {
  const world = heldWorld()
  world.take(order({ instances: [] }))
  const [step] = world.look().steps
  t.is(step?.type, 'destroy')
})
