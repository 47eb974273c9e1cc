/** When an agent has its machine boot anew. */
import test from 'ava'
import { ModelWorld } from './model-world.ts'
import { order } from './samples.ts'

const asked = (world: ModelWorld): readonly string[] =>
  world
    .look()
    .steps.filter(step => step.type === 'reboot')
    .map(step => (step.type === 'reboot' ? step.boot : ''))

test('a host boots anew when that is wished and nothing of ours runs, and is told so once', t => {
  const world = new ModelWorld(order({ instances: [], reboot: 'boot-1' }))
  t.deepEqual(asked(world), ['boot-1'])
  world.run()
  t.deepEqual(asked(world), [], 'it is on its way down')
  world.take(order({ instances: [], reboot: 'boot-2' }))
  t.deepEqual(asked(world), ['boot-2'], 'that of another boot is another wish')
})

test('a host on which an instance runs does not boot anew', t => {
  const world = new ModelWorld()
  world.run()
  world.take(order({ reboot: 'boot-1' }))
  t.deepEqual(asked(world), [])
})

test('nobody boots for an order that no controller gave to this run of the agent', t => {
  for (const origin of ['same-boot', 'other-boot'] as const) {
    const world = new ModelWorld(order({ instances: [], reboot: 'boot-1' }))
    world.origin = origin
    t.deepEqual(asked(world), [])
  }
})
