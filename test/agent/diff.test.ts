import test from 'ava'
import { uuidOf } from '#shared/ids.ts'
import type { Order } from '#shared/wire/order.ts'
import type { Plan } from '../../agent/core/diff.ts'
import { writeMetadata } from '../../agent/core/metadata.ts'
import { foreignDomain, ModelWorld } from './model-world.ts'
import { emptyOrder, idOf, image, instance, order, pool, volume } from './samples.ts'

const types = (plan: Plan) => plan.steps.map(step => step.type)
const first = (plan: Plan) => plan.verdicts.instances[0]!
const uuid = uuidOf(idOf('i', 1))

/** A world in which the ordered instance runs. */
function running(given: Order = order()): ModelWorld {
  const world = new ModelWorld(given)
  world.run()
  world.done.length = 0
  return world
}

/** Takes a changed instance into the order. */
const wish = (world: ModelWorld, given: Parameters<typeof instance>[0]) =>
  world.take(order({ instances: [instance(given)] }))

test('images and pools come before volumes, these and networks before the start', t => {
  const world = new ModelWorld()
  const rounds: string[][] = []
  for (let plan = world.look(); plan.steps.length > 0; plan = world.look()) {
    rounds.push(types(plan).toSorted())
    for (const step of plan.steps) world.apply(step)
  }
  t.deepEqual(rounds, [
    ['apply-networks', 'fetch-image', 'open-pool'],
    ['create-volume'],
    ['create-domain']
  ])
  t.true(world.look().settled)
  t.is(first(world.look()).message, 'runs since 2026-01-01T00:16:40.000Z')
})

test('what is missing is said in turn', t => {
  const world = new ModelWorld()
  const said: string[] = []
  for (let plan = world.look(); plan.steps.length > 0; plan = world.look()) {
    said.push(`${first(plan).power} ${first(plan).reason}: ${first(plan).message}`)
    world.apply(plan.steps[0]!)
  }
  t.deepEqual(said, [
    'starting no-volume: volume web-root waits for pool local: pool local is being opened',
    'starting no-volume: volume web-root waits for its image: image tiny is being fetched, 1 MiB',
    'starting no-volume: volume web-root is being created',
    'starting no-network: network default is being brought about',
    'starting starting: is being started'
  ])
})

test('an instance that was destroyed behind the agent is started again after its first wait', t => {
  const world = running()
  world.end(uuid, 'destroyed')
  const waiting = world.look()
  t.deepEqual(waiting.steps, [])
  t.is(waiting.lookAgainAt, world.now.monotonic + 100)
  t.is(first(waiting).power, 'waiting')
  t.is(first(waiting).message, 'waits 100 ms before start 2: ended once in the last 60 s')
  world.pass(100)
  t.deepEqual(types(world.look()), ['create-domain'])
  t.is(world.look().steps[0]?.because, 'it has ended, and its restart policy is always')
})

test('a stop asks first, asks again after 3 s, and pulls the plug when the grace is over', t => {
  const world = running()
  world.obedient = false
  const asked: [number, string][] = []
  const begin = world.now.monotonic
  wish(world, { desiredPower: 'stopped', stopGraceMs: 12_000 })
  for (let plan = world.look(); asked.at(-1)?.[1] !== 'destroy'; plan = world.look()) {
    t.is(first(plan).power, 'stopping')
    for (const step of plan.steps) {
      world.apply(step)
      asked.push([world.now.monotonic - begin, step.type])
    }
    if (plan.steps.length === 0) world.pass(plan.lookAgainAt! - world.now.monotonic)
  }
  t.deepEqual(asked, [
    [0, 'shutdown'],
    [3_000, 'shutdown'],
    [6_000, 'shutdown'],
    [9_000, 'shutdown'],
    [12_000, 'destroy']
  ])
  t.is(world.done.at(-1)?.because.endsWith('it did not shut down within 12 s'), true)
  const plan = world.run()
  t.true(plan.settled)
  t.is(first(plan).message, 'is stopped, as wished')
})

for (const wished of [
  { desiredPower: 'stopped', stopGraceMs: 0 },
  { restarts: 1, pullPlug: true }
] as const) {
  test(`the plug is pulled at once: ${JSON.stringify(wished)}`, t => {
    const world = running()
    wish(world, wished)
    t.deepEqual(types(world.look()), ['destroy'])
  })
}

test('a paused instance that shall stop is resumed first, since paused it cannot shut down', t => {
  const world = running()
  wish(world, { desiredPower: 'paused' })
  world.run()
  wish(world, { desiredPower: 'stopped' })
  world.run()
  t.deepEqual(
    world.done.map(step => step.type),
    ['suspend', 'resume', 'shutdown']
  )
})

test('a raised count of restarts ends it in order and starts it at once', t => {
  const world = running()
  wish(world, { restarts: 1 })
  const plan = world.run()
  t.deepEqual(
    world.done.map(step => step.type),
    ['shutdown', 'create-domain']
  )
  t.is(world.done[0]?.because, 'restart 1 is wished')
  t.true(plan.settled)
})

test('other hardware takes effect at the next start and is reported until then', t => {
  const world = running()
  wish(world, { memoryMib: 1024, vcpus: 4 })
  const plan = world.run()
  t.deepEqual(world.done, [])
  t.true(first(plan).restartNeeded)
  t.regex(first(plan).message, /; with its next start: 1024 MiB, has 512, 4 vcpus, has 2$/)
  wish(world, { memoryMib: 1024, vcpus: 4, restarts: 1 })
  t.false(first(world.run()).restartNeeded)
})

test('a volume grows only while nobody uses it', t => {
  const world = running()
  const larger = [volume({ sizeMib: 2048 })]
  world.take(order({ volumes: larger }))
  t.deepEqual(types(world.run()), [])
  t.true(first(world.look()).restartNeeded)
  t.is(
    world.look().verdicts.volumes[0]?.message,
    'volume web-root grows from 1 GiB to 2 GiB when acme/web is next started'
  )
  world.take(order({ volumes: larger, instances: [instance({ restarts: 1 })] }))
  world.run()
  t.deepEqual(
    world.done.map(step => step.type),
    ['shutdown', 'grow-volume', 'create-domain']
  )
})

test('a domain of ours that the order does not name is shut down, and its volume stays', t => {
  const world = running()
  world.take(emptyOrder({ pools: [pool()] }))
  const plan = world.run()
  t.true(plan.settled)
  t.deepEqual(world.domains, [])
  t.deepEqual(
    world.done.map(step => step.type),
    ['shutdown', 'keep-images', 'apply-networks', 'forget-instance']
  )
  t.is(world.observed.pools[0]?.volumes.length, 1)
})

test('a network stays for as long as a domain that is shutting down uses it', t => {
  const world = running()
  world.obedient = false
  world.take(emptyOrder({ pools: [pool()] }))
  world.run({ forMs: 14_000 })
  t.is(world.observed.networks?.networks.length, 1)
  world.run({ forMs: 2_000 })
  t.is(world.observed.networks?.networks.length, 0)
})

test('a volume is removed only when the order says so and nobody uses it', t => {
  const world = running()
  world.obedient = false
  world.take(emptyOrder({ pools: [pool()], volumes: [volume({ desired: 'absent' })] }))
  const plan = world.run({ forMs: 10_000 })
  t.is(
    plan.verdicts.volumes[0]?.message,
    'volume web-root is removed once acme/web no longer uses it'
  )
  t.is(world.observed.pools[0]?.volumes.length, 1)
  world.run({ forMs: 10_000 })
  t.is(world.observed.pools[0]?.volumes.length, 0)
})

test('a volume that a start under way uses is not removed', t => {
  const world = running()
  world.end(uuid, 'destroyed')
  world.look()
  world.pass(100)
  world.inFlight = [...world.look().steps]
  t.deepEqual(
    world.inFlight.map(step => step.type),
    ['create-domain']
  )
  world.take(emptyOrder({ pools: [pool()], volumes: [volume({ desired: 'absent' })] }))
  t.false(types(world.look()).includes('remove-volume'))
})

test('an instance is not started while its volume is being removed', t => {
  const world = running()
  world.end(uuid, 'destroyed')
  world.pass(1_000)
  const removal = { type: 'remove-volume', volume: volume(), pool: pool(), because: '' } as const
  world.inFlight = [removal]
  t.deepEqual(types(world.look()), [])
  world.pass(1_000)
  t.deepEqual(types(world.look()), [])
  t.is(first(world.look()).message, 'volume web-root is being removed first')
})

test('a volume that an ordered instance lists is not removed, whatever else the order says', t => {
  const world = running()
  world.take(order({ volumes: [volume({ desired: 'absent' })] }))
  world.end(uuid, 'destroyed')
  t.false(types(world.run()).includes('remove-volume'))
  t.is(world.observed.pools[0]?.volumes.length, 1)
})

test('a volume of another format than ordered is not touched', t => {
  const world = running()
  world.take(order({ volumes: [volume({ format: 'raw' })] }))
  const verdict = world.run().verdicts.volumes[0]
  t.is(verdict?.phase, 'failed')
  t.is(verdict?.message, 'volume web-root is qcow2, and ordered as raw')
})

test('images that no order names are tidied away once for each change', t => {
  const world = running()
  const other = image({ id: idOf('im', 2), name: 'other' })
  world.take(order({ images: [other], volumes: [volume({ imageId: idOf('im', 2) })] }))
  world.run()
  t.deepEqual(world.observed.images, [idOf('im', 2)])
  t.deepEqual(world.look().steps, [])
})

test('networks are checked again after 15 s', t => {
  const world = running()
  world.run({ forMs: 31_000 })
  t.deepEqual(
    world.done.map(step => [step.type, step.because]),
    [
      ['apply-networks', 'it is time to check them'],
      ['apply-networks', 'it is time to check them']
    ]
  )
})

const obstacles = [
  [
    'the name',
    { name: 'acme.web' },
    /a qemu domain that is not of this cloud has its name acme\.web/
  ],
  ['the UUID', { uuid }, /a qemu domain that is not of this cloud has its UUID 0198/],
  ['the UUID in another driver', { uuid, driver: 'lxc' as const }, /a lxc domain that is not/]
] as const
for (const [what, given, said] of obstacles) {
  test(`a foreign domain with ${what} of an instance is left alone, and the instance fails`, t => {
    const world = new ModelWorld()
    world.domains = [foreignDomain(given)]
    const plan = world.run()
    t.is(first(plan).power, 'failed')
    t.is(first(plan).reason, 'foreign-in-the-way')
    t.regex(first(plan).message, said)
    t.deepEqual(world.domains, [foreignDomain(given)])
    t.false(world.done.some(step => step.type === 'create-domain'))
  })
}

test('a copy of our domain under another UUID is foreign', t => {
  const world = running()
  const copy = { ...world.domains[0]!, name: 'copy', uuid: foreignDomain().uuid }
  world.domains = [...world.domains, copy]
  const plan = world.run()
  t.deepEqual(plan.verdicts.sorted.foreign, [copy])
  world.take(emptyOrder())
  world.run()
  t.deepEqual(world.domains, [copy])
})

test('a domain of another cloud is foreign', t => {
  const world = running()
  world.take(emptyOrder({ cloud: 'cloud-2' }))
  world.run()
  t.is(world.domains.length, 1)
})

test('a domain whose element this version cannot read is foreign', t => {
  const world = running()
  world.domains = world.domains.map(each => ({ ...each, metadata: writeMetadata({} as never) }))
  t.is(first(world.run()).reason, 'foreign-in-the-way')
  t.is(world.domains.length, 1)
})

test('an instance waits for an earlier one of the same name to end', t => {
  const world = running()
  world.obedient = false
  const again = instance({ id: idOf('i', 2), volumes: [idOf('v', 2)] })
  world.take(order({ volumes: [volume({ id: idOf('v', 2) })], instances: [again] }))
  const plan = world.run({ forMs: 5_000 })
  t.is(first(plan).message, 'waits for an earlier acme/web to end')
  t.is(first(world.run({ forMs: 20_000 })).power, 'running')
})

test('while libvirt does not answer, domains and what they use are left alone', t => {
  const world = running()
  const list = world.domains
  world.observed = { ...world.observed, domains: { state: 'old', list, because: 'it is down' } }
  world.take(emptyOrder({ pools: [pool()], volumes: [volume({ desired: 'absent' })] }))
  t.deepEqual(types(world.look()), ['keep-images'])
  world.take(order({ instances: [instance({ desiredPower: 'stopped' })] }))
  t.deepEqual(types(world.look()), [])
  t.is(first(world.look()).message, 'was stopping when last seen; it is down')
})

test('from an order of before the last boot nothing is done', t => {
  const world = new ModelWorld()
  world.origin = 'other-boot'
  const plan = world.look()
  t.deepEqual(plan.steps, [])
  t.false(plan.settled)
  t.is(first(plan).reason, 'order-old')
  world.origin = 'same-boot'
  t.true(world.run().settled)
})

test('a host without the driver says so', t => {
  const world = new ModelWorld()
  world.host = { ...world.host, abilities: { ...world.host.abilities!, qemu: false } }
  t.is(first(world.run()).message, 'cannot start: libvirt on this host has no qemu driver for VMs')
})

test('a container gets its seed into its tree', t => {
  const tree = volume({ format: 'tree' })
  const world = new ModelWorld(
    order({
      images: [image({ format: 'tar' })],
      volumes: [tree],
      instances: [instance({ type: 'container' })]
    })
  )
  t.true(world.run().settled)
  const start = world.done.find(step => step.type === 'create-domain')
  t.is(start?.tree?.path, `/pool/${tree.id}`)
  t.true(Object.hasOwn(start?.seed ?? {}, 'var/lib/cloud/seed/nocloud/meta-data'))
  t.is(world.domains[0]?.driver, 'lxc')
})
