/** What an agent does by an order that the next run of it would not know of. */
import test from 'ava'
import { LoopRig } from './loop-rig.ts'
import { instance, order } from './samples.ts'

test('of an order that could not be kept nothing is said until it is', async t => {
  await using rig = new LoopRig()
  await rig.start()
  await rig.order(order(), 1_000)
  const { generation } = rig.report
  const leaving = { move: 'mv-1', step: 2, to: 'h2', live: false, go: true }
  const moving = order({ generation: generation + 1, instances: [instance({ leaving })] })
  rig.keeper.fails = true
  await rig.order(moving, 10_000)
  t.deepEqual(await rig.domains(), [])
  t.is(rig.report.generation, 0)
  t.is(rig.report.instances[0]?.move, undefined)
  rig.keeper.fails = false
  await rig.order(moving, 1_000)
  t.is(rig.report.generation, generation + 1)
  t.is(rig.report.instances[0]?.move?.stand, 'gone')
})

test('by an order that could not be kept no running instance is sent away', async t => {
  await using rig = new LoopRig()
  await rig.start()
  await rig.order(order(), 1_000)
  const door = { uri: 'qemu+tls://h2/system', address: 'h2', folder: '/' }
  const leaving = { move: 'mv-1', step: 2, to: 'h2', live: true, go: true, door }
  const moving = order({ generation: 2, instances: [instance({ leaving })] })
  rig.keeper.fails = true
  await rig.order(moving, 2_000)
  t.false(rig.deeds.some(deed => deed.startsWith('migrate')))
  rig.keeper.fails = false
  await rig.order(moving, 2_000)
  t.true(rig.deeds.some(deed => deed.startsWith('migrate')))
})
