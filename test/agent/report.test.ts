import test from 'ava'
import { validator } from '#shared/model/validate.ts'
import { Report } from '#shared/wire/order.ts'
import type { Plan } from '../../agent/core/diff.ts'
import { reportFingerprint, writeReport } from '../../agent/core/report.ts'
import { someFacts } from '../world/fake-hardware.ts'
import { foreignDomain, ModelWorld } from './model-world.ts'
import { emptyOrder, idOf, instance, order, pool, volume } from './samples.ts'

const check = validator(Report)

const write = (world: ModelWorld, plan: Plan | undefined = world.look()) =>
  writeReport({
    reporter: { host: 'u', hostname: 'h1', agentVersion: '1', bootId: 'b', agentRun: 'r' },
    number: 1,
    actedOn: world.order,
    settledGeneration: 0,
    observed: world.observed,
    memory: world.memory,
    plan,
    facts: undefined
  })

/** A world in which the ordered instance runs. */
const running = (): ModelWorld => {
  const world = new ModelWorld()
  world.run()
  return world
}

test('what is observed is told in full, and fits the schema', t => {
  const world = running()
  world.domains = [...world.domains, foreignDomain()]
  const report = write(world)
  t.deepEqual(check(report), [])
  t.like(report.instances[0], {
    id: idOf('i', 1),
    generation: 7,
    power: 'running',
    reason: 'running',
    acceleration: 'tcg',
    startCount: 1,
    restartNeeded: false
  })
  t.deepEqual(report.foreign, [{ name: 'somebodys', driver: 'qemu', memoryMib: 256 }])
  t.like(report.pools[0], {
    name: 'local',
    phase: 'ready',
    message: '48.8 GiB of 97.7 GiB are free'
  })
  t.like(report.volumes[0], { phase: 'ready', sizeMib: 1024, usedMib: 1 })
})

test('without any order a report says what is known', t => {
  const world = new ModelWorld(emptyOrder())
  const report = writeReport({
    reporter: { host: 'u', hostname: 'h1', agentVersion: '1', bootId: 'b', agentRun: 'r' },
    number: 0,
    actedOn: { epoch: 0, generation: 0 },
    settledGeneration: 0,
    observed: world.observed,
    memory: world.memory,
    plan: undefined,
    facts: someFacts()
  })
  t.deepEqual(check(report), [])
  t.is(report.facts?.hostname, 'h1')
})

test('a pool that is being opened is neither ready nor failed: nothing is said of it', t => {
  const world = new ModelWorld()
  t.deepEqual(write(world).pools, [])
  t.deepEqual(write(world).networks, [])
})

test('a network that stands is told as ready while ports are added to it', t => {
  const world = running()
  const more = instance({
    id: idOf('i', 2),
    name: 'more',
    volumes: [],
    ports: [{ ...instance().ports[0]!, id: idOf('p', 2) }]
  })
  world.take(order({ instances: [instance(), more] }))
  const plan = world.look()
  t.true(plan.steps.some(step => step.type === 'apply-networks'))
  t.is(write(world, plan).networks[0]?.phase, 'ready')
})

test('an instance that still ends is told, ordered or not', t => {
  const world = running()
  world.obedient = false
  world.take(emptyOrder())
  world.run({ forMs: 1_000 })
  const [told] = write(world).instances
  t.like(told, { id: idOf('i', 1), power: 'stopping' })
  t.regex(told?.message ?? '', /^is shutting down: the order does not name it; ended by force in/)
})

test('an instance whose start is under way is told though the order no longer names it', t => {
  const world = running()
  world.end(idOf('i', 1).slice(2), 'crashed')
  world.look()
  world.pass(100)
  world.begin(world.look().steps[0]!)
  world.take(emptyOrder())
  t.like(write(world).instances[0], { id: idOf('i', 1), power: 'stopping', generation: 0 })
})

test('a volume whose creation is under way is not told as absent', t => {
  const world = new ModelWorld(order({ instances: [] }))
  for (const step of world.look().steps) world.apply(step)
  world.begin(world.look().steps[0]!)
  world.take(emptyOrder({ pools: [pool()], volumes: [volume({ desired: 'absent' })] }))
  t.like(write(world).volumes[0], { phase: 'creating' })
})

test('sentences that are too long are cut', t => {
  const long = 'x'.repeat(5_000)
  const world = running()
  const pools = world.observed.pools.map(each => ({ ...each, failure: long }))
  world.observed = { ...world.observed, pools }
  t.deepEqual(check(write(world)), [])
  t.is(write(world).pools[0]?.message.length, 2048)
})

test('what changes at every look is no news, what an operator waits for is', t => {
  const world = running()
  const before = reportFingerprint(write(world))
  world.observed = {
    ...world.observed,
    memoryFreeMib: 1,
    pools: world.observed.pools.map(each => ({ ...each, freeMib: 1 }))
  }
  t.is(reportFingerprint(write(world)), before)
  world.take(order({ instances: [instance({ memoryMib: 1024 })] }))
  t.not(reportFingerprint(write(world)), before)
})
