/** How often an instance has failed in a row: what is counted, kept and reported. */
import test from 'ava'
import { uuidOf } from '#shared/ids.ts'
import { validator } from '#shared/model/validate.ts'
import { Report, type ReportInstance } from '#shared/wire/order.ts'
import { marksOf, recallMarks } from '../../agent/core/memory.ts'
import { writeReport } from '../../agent/core/report.ts'
import { ModelWorld } from './model-world.ts'
import { idOf, instance, order } from './samples.ts'

const id = idOf('i', 1)
const uuid = uuidOf(id)
const restart = { policy: 'always', delayMsMin: 100, delayMsMax: 60_000, resetMs: 60_000 } as const
const wished = (given: Parameters<typeof instance>[0] = {}) =>
  order({ instances: [instance({ restart, ...given })] })

/** What its host says of it. */
function reported(world: ModelWorld): ReportInstance {
  const report = writeReport({
    reporter: { host: 'u', hostname: 'h1', agentVersion: '1', bootId: 'b', agentRun: 'r' },
    number: 1,
    actedOn: world.order,
    settledGeneration: 0,
    observed: world.observed,
    memory: world.memory,
    plan: world.look(),
    facts: undefined
  })
  if (validator(Report)(report).length > 0) throw new Error('the report does not fit its schema')
  return report.instances[0]!
}

/** One that has crashed so often, each time after a second. */
function failing(times: number): ModelWorld {
  const world = new ModelWorld(wished())
  world.run()
  for (let left = times; left > 0; left -= 1) {
    world.pass(1_000)
    world.end(uuid, 'crashed')
    world.look()
    if (left > 1) world.run({ forMs: 10_000 })
  }
  return world
}

test('runs that fail are counted and reported, with how long that took and how it ended', t => {
  t.is(reported(failing(0)).failed, undefined)
  t.deepEqual(reported(failing(1)).failed, {
    runs: 1,
    withinMs: 1_000,
    last: 'broke down after 1 s (libvirt: stopped, crashed)'
  })
  t.like(reported(failing(4)).failed, { runs: 4 })
})

test('a run that is long enough ends the count, while it goes on', t => {
  const world = failing(3)
  world.run({ forMs: 30_000 })
  t.is(reported(world).failed?.runs, 3)
  world.run({ forMs: 60_000 })
  t.is(reported(world).failed, undefined)
  t.deepEqual(marksOf(world.memory), {})
})

test('another wish begins anew and is not waited for', t => {
  const world = failing(5)
  t.is(reported(world).power, 'waiting')
  const { generation } = world.order.instances[0]!
  world.take(wished({ generation: generation + 1 }))
  const said = reported(world)
  t.is(said.failed, undefined)
  t.is(said.power, 'starting')
  world.run()
  t.is(reported(world).power, 'running')
})

test('a restart that is wished while it runs begins anew', t => {
  const world = failing(3)
  world.run({ forMs: 10_000 })
  t.is(reported(world).power, 'running')
  const { generation } = world.order.instances[0]!
  world.take(wished({ generation: generation + 1, restarts: 1 }))
  t.is(reported(world).failed, undefined)
})

test('an agent that is started anew counts on from where the one before it was', t => {
  const old = failing(4)
  const marks = marksOf(old.memory)
  t.is(marks[id]?.failed?.runs, 4)
  const world = new ModelWorld(wished())
  world.memory = recallMarks(world.memory, marks, world.now.monotonic)
  t.deepEqual(reported(world).failed, reported(old).failed)
  world.run()
  world.pass(1_000)
  world.end(uuid, 'crashed')
  world.look()
  t.is(reported(world).failed?.runs, 5)
})

test('what was counted under an earlier wish is not recalled', t => {
  const old = failing(4)
  const { generation } = old.order.instances[0]!
  const world = new ModelWorld(wished({ generation: generation + 1 }))
  world.memory = recallMarks(world.memory, marksOf(old.memory), world.now.monotonic)
  t.is(reported(world).failed, undefined)
})

test('one that is wished to stop has not failed', t => {
  const world = failing(4)
  world.take(wished({ desiredPower: 'stopped' }))
  t.is(reported(world).failed, undefined)
})
