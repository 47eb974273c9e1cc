/** What an agent does about an instance that is on its way to or from another host. */
import test from 'ava'
import { rememberEvent } from '../../agent/core/memory.ts'
import { inFolder } from '../../agent/io/libvirt/migration.ts'
import { ModelWorld } from './model-world.ts'
import { instance, order, pool, volume } from './samples.ts'

const leaving = { move: 'mv-1', step: 2, to: 'h2', live: true, go: true }
const arriving = {
  move: 'mv-1',
  step: 2,
  from: 'h1',
  fromHostname: 'h1',
  live: true,
  over: false
}

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
  const transfer = {
    totalMib: 128,
    remainingMib: 1,
    mibPerSecond: 100,
    writtenMibPerSecond: 1,
    round: 2
  }
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

test('an instance that leaves is not started, and is said to be gone', t => {
  const world = new ModelWorld(order({ instances: [instance({ leaving })] }))
  const plan = world.run()
  t.false(world.done.some(({ type }) => type === 'create-domain'))
  t.like(plan.verdicts.instances[0]?.move, { step: 2, stand: 'gone' })
})

/** A host that sends its one instance, which is seen there no more. */
function vanishedWorld(detail: string): ModelWorld {
  const world = new ModelWorld()
  world.run()
  const door = { uri: 'qemu+tls://h2/system', address: '10.0.0.2', folder: '/f', postCopy: true }
  world.take(order({ instances: [instance({ leaving: { ...leaving, door } })] }))
  const step = world.look().steps.find(({ type }) => type === 'migrate-domain')!
  world.inFlight.push(step)
  const [gone] = world.domains
  world.domains = []
  const { driver, uuid } = gone!
  const event = { driver, uuid, name: 'default.web', event: 'stopped', detail } as const
  world.memory = rememberEvent(world.memory, event)
  return world
}

test('one that has left is waited for until libvirt has said so', t => {
  const { verdicts } = vanishedWorld('migrated').look()
  t.like(verdicts.instances[0]?.move, { stand: 'sending' })
})

test('one whose emulator was killed on its way is gone, though libvirt never says so', t => {
  const plan = vanishedWorld('failed').look()
  t.like(plan.verdicts.instances[0]?.move, { stand: 'gone', message: 'h1 has it no more' })
  t.deepEqual(
    plan.steps.filter(({ type }) => type === 'create-domain'),
    []
  )
})

test('an instance that arrives is not started, and is said to be waited for', t => {
  const world = new ModelWorld(order({ instances: [instance({ arriving })] }))
  const plan = world.run()
  t.false(world.done.some(({ type }) => type === 'create-domain'))
  t.like(plan.verdicts.instances[0]?.move, { step: 2, stand: 'ready' })
})

test('what an earlier move has left here is ended before the instance can come again', t => {
  const world = heldWorld()
  world.take(order({ instances: [instance({ arriving: { ...arriving, step: 1 } })] }))
  const [step] = world.look().steps
  t.is(step?.type, 'destroy')
})

test('what may be arriving is left alone', t => {
  const world = heldWorld()
  world.take(order({ instances: [instance({ arriving })] }))
  const plan = world.look()
  t.deepEqual(plan.steps, [])
  t.is(plan.verdicts.instances[0]?.move?.stand, 'receiving')
})

test('a volume that another host has is not made here when it is not seen', t => {
  const shared = pool({ name: 'shared', shared: true })
  const elsewhere = volume({ pool: 'shared', elsewhere: true })
  const world = new ModelWorld(
    order({ pools: [shared], volumes: [elsewhere], instances: [instance({ arriving })] })
  )
  const plan = world.run()
  t.false(world.done.some(({ type }) => type === 'create-volume'))
  const { move } = plan.verdicts.instances[0]!
  t.is(move?.stand, 'preparing')
  t.regex(move?.message ?? '', /is not seen here: is the folder of pool shared the same/)
})

test('the agent has its files elsewhere there, and the description says so', t => {
  const xml =
    "<a file='/one/agent/seeds/i.iso'/><b file='/one/agent-x'/><c file='/one/agent/c.log'/>"
  const folders = { here: '/one/agent', there: '/two/<agent' }
  t.is(
    inFolder(xml, folders),
    "<a file='/two/&lt;agent/seeds/i.iso'/><b file='/one/agent-x'/><c file='/two/&lt;agent/c.log'/>"
  )
})
