import test from 'ava'
import { ModelWorld } from './model-world.ts'
import { order, volume } from './samples.ts'

/** A world whose instance has run, and whose pool has lost all that it held. */
function robbed(): ModelWorld {
  const world = new ModelWorld(order())
  world.run()
  world.done.length = 0
  const pools = world.observed.pools.map(each => ({ ...each, volumes: [] }))
  world.observed = { ...world.observed, pools }
  world.domains = []
  return world
}

test('a volume that an instance has run with is not made anew when it is gone', t => {
  const world = robbed()
  world.take(order({ volumes: [volume({ isUsed: true })] }))
  const { steps, verdicts } = world.look()
  t.deepEqual(steps, [])
  t.regex(
    verdicts.volumes[0]!.message,
    /^volume web-root is gone from pool local, and an instance has run with it/
  )
})

test('one that no instance has run with yet is made anew: nothing is lost', t => {
  const { steps } = robbed().look()
  t.true(steps.some(({ type }) => type === 'create-volume'))
})
