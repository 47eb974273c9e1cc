import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import {
  freshMemory,
  lastWordsMsMax,
  marksOf,
  recallMarks,
  rememberEvent,
  rememberOrder
} from '../../agent/core/memory.ts'
import { rememberBegun, rememberFailure, rememberRefusal } from '../../agent/core/memory-steps.ts'
import { retryMsMax } from '../../agent/core/retry.ts'
import type { Step } from '../../agent/core/steps.ts'
import { foreignDomain, ModelWorld } from './model-world.ts'
import { emptyOrder, idOf, image, instance, order, volume } from './samples.ts'

const uuid = uuidOf(idOf('i', 1))
const restart = (policy: 'always' | 'on-failure' | 'never') => ({
  ...instance().restart,
  policy
})
const running = (policy: 'always' | 'on-failure' | 'never' = 'always'): ModelWorld => {
  const world = new ModelWorld(order({ instances: [instance({ restart: restart(policy) })] }))
  world.run()
  return world
}
const said = (world: ModelWorld) =>
  world.memory.notices.waiting.map(({ reason, message }) => `${reason}: ${message}`)

const endings = [
  ['shutdown', 'shut itself down after 12 s'],
  ['destroyed', 'was ended by force after 12 s, not by this agent (libvirt: stopped, destroyed)'],
  ['crashed', 'broke down after 12 s (libvirt: stopped, crashed)'],
  ['failed', 'broke down after 12 s (libvirt: stopped, failed)']
] as const
for (const [detail, words] of endings) {
  test(`an ending that libvirt calls ${detail} is told as such`, t => {
    const world = running()
    world.pass(12_000)
    world.end(uuid, detail)
    world.look()
    t.is(said(world).at(-1), `instance-ended: acme/web ${words}`)
  })
}

test('an ending of which libvirt said nothing is told as such', t => {
  const world = running()
  const before = said(world).length
  world.domains = []
  t.is(world.look().verdicts.instances[0]?.message, 'has just ended; waits for libvirt to say how')
  t.is(said(world).length, before, 'libvirt may still say how')
  world.pass(lastWordsMsMax)
  world.look()
  t.is(
    said(world).at(-1),
    'instance-ended: acme/web is gone after 300 ms; libvirt did not say how it ended'
  )
})

test('how it ended is known also when libvirt says so a moment after it is gone', t => {
  const world = running('on-failure')
  world.domains = []
  world.look()
  world.pass(100)
  const event = { uuid, name: 'acme.web', driver: 'qemu' as const, event: 'stopped' }
  world.memory = rememberEvent(world.memory, { ...event, detail: 'shutdown' })
  const plan = world.look()
  t.regex(said(world).at(-1) ?? '', /^instance-ended: acme\/web shut itself down/)
  t.is(plan.verdicts.instances[0]?.power, 'stopped', 'an orderly end is no failure')
})

test('how an earlier run ended says nothing of a later one', t => {
  const world = running()
  world.end(uuid, 'destroyed')
  world.run({ forMs: 1_000 })
  world.domains = []
  world.look()
  world.pass(lastWordsMsMax)
  world.look()
  t.regex(said(world).at(-1)!, /libvirt did not say how it ended/)
})

test('an end that we wished is no ending: it starts at once, and says why', t => {
  const world = running()
  world.take(order({ instances: [instance({ restarts: 1 })] }))
  world.run()
  t.deepEqual(said(world).slice(-2), [
    'instance-stopped: acme/web has ended: restart 1 is wished',
    'instance-started: acme/web was started, start 2: it is wished to run and does not'
  ])
})

test('an instance that ended in order stays off under on-failure until restarts is raised', t => {
  const world = running('on-failure')
  world.end(uuid, 'shutdown')
  const plan = world.run({ forMs: 600_000 })
  t.is(plan.verdicts.instances[0]?.reason, 'ended')
  t.is(world.domains.length, 0)
  const again = instance({ restart: restart('on-failure'), restarts: 1 })
  world.take(order({ instances: [again] }))
  world.run()
  t.is(world.domains.length, 1)
})

test('an instance that stays off runs again after it was wished to be stopped', t => {
  const world = running('never')
  world.end(uuid, 'destroyed')
  world.run()
  const wish = (desiredPower: 'stopped' | 'running') =>
    world.take(order({ instances: [instance({ restart: restart('never'), desiredPower })] }))
  wish('stopped')
  world.run()
  wish('running')
  world.run()
  t.is(world.domains.length, 1)
})

test('a raised count of restarts ends a wait', t => {
  const world = running()
  for (let times = 0; times < 9; times++) {
    world.end(uuid, 'crashed')
    world.run({ forMs: 30_000 })
  }
  world.end(uuid, 'crashed')
  world.look()
  world.take(order({ instances: [instance({ restarts: 1 })] }))
  t.deepEqual(
    world.look().steps.map(step => step.type),
    ['create-domain']
  )
})

test('flapping waits longer and longer and is told a few times a minute', t => {
  const world = running()
  const begin = world.now.monotonic
  for (let times = 0; times < 8; times++) {
    world.end(uuid, 'crashed')
    world.run()
    const state = world.memory.instances.get(idOf('i', 1))?.history.now
    t.is(state?.state === 'waiting' ? state.waitMs : -1, 100 * 2 ** times)
    world.run({ forMs: 100 * 2 ** times })
  }
  t.is(world.now.monotonic - begin, 25_500)
  t.is(said(world).filter(text => text.startsWith('instance-ended')).length, 4)
})

test('each foreign domain is told once, also after it was away', t => {
  const world = new ModelWorld(emptyOrder())
  world.domains = [foreignDomain()]
  world.look()
  world.look()
  t.deepEqual(said(world), [
    'foreign-domain: found the qemu domain somebodys with 256 MiB, which is not of this cloud; ' +
      'it is left alone'
  ])
  world.domains = []
  world.look()
  world.domains = [foreignDomain()]
  world.look()
  t.is(said(world).length, 2)
})

test('a new agent adopts what runs, starts nothing, and counts on', t => {
  const old = running()
  const world = new ModelWorld()
  world.observed = old.observed
  world.pass(10_000)
  t.true(world.run().settled)
  t.deepEqual(world.done, [])
  t.is(world.memory.instances.get(idOf('i', 1))?.history.startCount, 1)
  t.deepEqual(world.memory.instances.get(idOf('i', 1))?.history.now, {
    state: 'running',
    since: old.now.monotonic
  })
})

const recalled = [
  ['never', 'running', 'done'],
  ['never', 'done', 'done'],
  ['on-failure', 'running', 'waiting'],
  ['on-failure', 'done', 'done']
] as const
for (const [policy, mark, state] of recalled) {
  test(`an instance marked ${mark} under ${policy} that a new agent misses is ${state}`, t => {
    const given = order({ instances: [instance({ restart: restart(policy) })] })
    const world = new ModelWorld(given)
    const marks = { [idOf('i', 1)]: { restarts: 0, state: mark } }
    world.memory = recallMarks(world.memory, marks, world.now.monotonic)
    world.look()
    world.pass(lastWordsMsMax)
    world.look()
    t.is(world.memory.instances.get(idOf('i', 1))?.history.now.state, state)
  })
}

test('a mark of an earlier count of restarts says nothing', t => {
  const given = order({ instances: [instance({ restart: restart('never'), restarts: 2 })] })
  const memory = rememberOrder(freshMemory, given)
  const marks = { [idOf('i', 1)]: { restarts: 1, state: 'done' as const } }
  t.deepEqual(recallMarks(memory, marks, 0), memory)
})

test('only instances that may have to stay off are marked', t => {
  t.deepEqual(marksOf(running('always').memory), {})
  const world = running('never')
  t.deepEqual(marksOf(world.memory), { [idOf('i', 1)]: { restarts: 0, state: 'running' } })
  world.end(uuid, 'destroyed')
  world.look()
  t.deepEqual(marksOf(world.memory), { [idOf('i', 1)]: { restarts: 0, state: 'done' } })
  world.take(emptyOrder())
  t.deepEqual(marksOf(world.memory), {})
})

test('numbers that were never given do not forget notices', t => {
  const world = running()
  world.take(order({ noticesKept: 50 }))
  t.is(said(world).length, 1)
  world.take(order({ noticesKept: 1 }))
  t.is(said(world).length, 0)
})

test('the last events are kept of a bounded number of domains', t => {
  let { memory } = new ModelWorld()
  for (let number = 0; number < 2_000; number++) {
    const event = { uuid: `u-${number}`, name: 'n', driver: 'qemu', event: 'stopped' } as const
    memory = rememberEvent(memory, { ...event, detail: 'crashed' })
  }
  t.is(memory.lastEvents.size, 1024)
})

const now = { monotonic: 1_000, wall: 0 }
const fetch = (given: Parameters<typeof image>[0] = {}): Step => ({
  type: 'fetch-image',
  image: image(given),
  because: ''
})
const corrupt = new Fault('corrupt', 'cannot keep image tiny: its hash differs')

test('a failed step waits twice as long each time, up to a limit', t => {
  let { memory } = new ModelWorld()
  const waits: number[] = []
  for (let times = 0; times < 10; times++) {
    memory = rememberFailure(memory, fetch(), corrupt, now)
    waits.push([...memory.retries.values()][0]!.nextAt - now.monotonic)
  }
  t.deepEqual(waits.slice(0, 4), [500, 1_000, 2_000, 4_000])
  t.is(waits.at(-1), retryMsMax)
  t.is(memory.notices.waiting[0]?.reason, 'image-corrupt')
  t.is(memory.notices.waiting.length, 4)
})

test('a failure is forgotten once the step is another one', t => {
  const world = new ModelWorld()
  world.memory = rememberFailure(world.memory, fetch(), corrupt, world.now)
  t.false(world.look().steps.some(step => step.type === 'fetch-image'))
  t.regex(world.look().verdicts.instances[0]!.message, /^volume web-root waits for pool/)
  world.take(order({ images: [image({ sha256: 'b'.repeat(64) })] }))
  t.true(world.look().steps.some(step => step.type === 'fetch-image'))
})

test('a failed start says so with the time of the next try', t => {
  const world = running()
  world.end(uuid, 'crashed')
  world.look()
  world.pass(100)
  const [step] = world.look().steps
  const fault = new Fault('hypervisor', 'cannot start acme.web: out of memory')
  world.memory = rememberFailure(world.memory, step!, fault, world.now)
  t.is(
    world.look().verdicts.instances[0]?.message,
    'cannot start acme.web: out of memory; try 2 in 500 ms'
  )
  t.is(world.look().verdicts.instances[0]?.power, 'failed')
  t.true(world.run({ forMs: 500 }).settled)
})

test('a step that was withdrawn has not failed', t => {
  const { memory } = new ModelWorld()
  t.is(rememberFailure(memory, fetch(), new Fault('aborted', 'no longer wanted'), now), memory)
})

test('the end of a domain that is gone already has not failed', t => {
  const { memory } = new ModelWorld()
  const domain = { driver: 'qemu', uuid } as const
  const step: Step = { type: 'destroy', instance: instance(), domain, crashed: false, because: '' }
  t.is(rememberFailure(memory, step, new Fault('not-found', 'no such domain'), now), memory)
})

test('the grace runs also when a guest cannot be asked to shut down', t => {
  const world = running()
  world.obedient = false
  world.take(order({ instances: [instance({ desiredPower: 'stopped' })] }))
  const [step] = world.look().steps
  world.memory = rememberBegun(world.memory, step!, world.now)
  world.memory = rememberFailure(world.memory, step!, new Fault('hypervisor', 'no'), world.now)
  world.run({ forMs: 15_000 })
  t.is(world.domains.length, 0)
})

test('what has crashed and is still there is cleared away, and counts as an ending', t => {
  const world = running()
  world.domains = world.domains.map(each => ({ ...each, state: 'crashed' as const }))
  world.run({ forMs: lastWordsMsMax })
  t.is(world.memory.instances.get(idOf('i', 1))?.history.now.state, 'waiting')
  t.is(world.run({ forMs: 100 }).verdicts.instances[0]?.power, 'running')
})

test('an end that is seen before the answer to our request is still our own', t => {
  const world = running()
  world.take(order({ instances: [instance({ desiredPower: 'stopped' })] }))
  const [step] = world.look().steps
  world.begin(step!)
  world.end(uuid, 'shutdown')
  world.look()
  t.is(said(world).at(-1), 'instance-stopped: acme/web has ended: it is wished to be stopped')
})

test('a removed volume and a refused order are told', t => {
  const world = running()
  world.take(emptyOrder({ pools: order().pools, volumes: [volume({ desired: 'absent' })] }))
  world.run()
  world.memory = rememberRefusal(world.memory, 'cannot take an order of epoch 1', world.now)
  t.true(
    said(world).includes(
      'volume-removed: volume web-root was removed: the order says that it should be gone, and ' +
        'nobody uses it'
    )
  )
  t.is(said(world).at(-1), 'order-refused: cannot take an order of epoch 1')
})

test('a start that a lock refuses says that it may run elsewhere, and is tried again', t => {
  const world = new ModelWorld()
  for (let plan = world.look(); ; plan = world.look()) {
    const start = plan.steps.find(({ type }) => type === 'create-domain')
    if (start === undefined) {
      for (const step of plan.steps) world.apply(step)
      continue
    }
    const fault = new Fault('locked', "cannot start a qemu domain: '/locks/a1' is locked")
    world.memory = rememberFailure(world.memory, start, fault, world.now)
    break
  }
  const [verdict] = world.look().verdicts.instances
  t.is(verdict?.power, 'starting')
  t.is(verdict?.reason, 'volume-locked')
  t.regex(
    verdict?.message ?? '',
    /^a volume of it is locked: it may run elsewhere, .*a1' is locked; try 2 in/
  )
  world.pass(1_000)
  t.deepEqual(
    world.look().steps.map(({ type }) => type),
    ['create-domain']
  )
})
