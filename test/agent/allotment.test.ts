/** Which devices an instance is started with: never one that anybody else has. */
import test from 'ava'
import fc from 'fast-check'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { foreignDomain, ModelWorld } from './model-world.ts'
import { host, idOf, instance, order } from './samples.ts'

type Device = HostFacts['devices'][number]

const device = (pci: string, kind: Device['class'] = 'gpu', works = true): Device => ({
  ...{ pci, vendor: '10de', device: '1eb8', class: kind },
  assignable: { works, because: 'said by the test' }
})
const pciOf = (number: number): string => `0000:${number.toString(16).padStart(2, '0')}:00.0`

/** A VM without volumes and ports, so that nothing but devices can be missing. */
const wanting = (number: number, count: number, given: object = {}) =>
  instance({
    ...{ id: idOf('i', number), name: `vm-${number}`, volumes: [], ports: [] },
    ...(count > 0 && { devices: [{ kind: 'gpu' as const, count }] }),
    ...given
  })

function worldOf(devices: readonly Device[], instances: ReturnType<typeof wanting>[]): ModelWorld {
  const world = new ModelWorld(order({ instances, volumes: [], images: [], networks: [] }))
  world.host = host({ devices: [...devices] })
  return world
}

const held = (world: ModelWorld): readonly (readonly string[])[] =>
  world.domains.map(({ devices = [] }) => devices)
const said = (world: ModelWorld): readonly string[] =>
  world.look().verdicts.instances.map(({ reason, message }) => `${reason}: ${message}`)

test('two that start in one round are given different devices, the first by address', t => {
  const world = worldOf([device(pciOf(2)), device(pciOf(1))], [wanting(1, 1), wanting(2, 1)])
  world.run()
  t.deepEqual(held(world), [[pciOf(1)], [pciOf(2)]])
  t.true(world.look().settled)
})

test('one whose devices are all taken does not start, and says how many there are', t => {
  const world = worldOf([device(pciOf(1))], [wanting(1, 1), wanting(2, 1)])
  world.run()
  t.deepEqual(held(world), [[pciOf(1)]])
  t.is(said(world)[1], 'no-device: cannot start: needs 1 gpu, of 1 that can be given 0 are free')
  world.take(order({ ...world.order, instances: [wanting(2, 1)], generation: 2 }))
  world.run()
  t.deepEqual(held(world), [[pciOf(1)]], 'once the first has ended it starts')
})

test('a device that cannot be given, is of another sort or is held by others is not given', t => {
  const devices = [
    device(pciOf(1), 'gpu', false),
    device(pciOf(2), 'nvme'),
    device(pciOf(3)),
    device(pciOf(4))
  ]
  const world = worldOf(devices, [wanting(1, 1)])
  world.domains = [foreignDomain({ devices: [pciOf(3)] })]
  world.run()
  t.deepEqual(held(world).at(-1), [pciOf(4)])
})

test('a start that is under way has its devices already', t => {
  const world = worldOf([device(pciOf(1)), device(pciOf(2))], [wanting(1, 1)])
  for (const step of world.look().steps) if (step.type !== 'create-domain') world.apply(step)
  const start = world.look().steps.find(step => step.type === 'create-domain')!
  world.begin(start)
  world.take(order({ ...world.order, instances: [wanting(2, 1), wanting(1, 1)], generation: 2 }))
  const next = world.look().steps.find(step => step !== start && step.type === 'create-domain')
  t.deepEqual(next?.type === 'create-domain' && next.plan.devices, [pciOf(2)])
})

test('an instance without such a wish has none', t => {
  const world = worldOf([device(pciOf(1))], [wanting(1, 0)])
  world.run()
  t.deepEqual(held(world), [[]])
})

test('whatever comes and goes, no device is held by two', t => {
  const changes = fc.array(
    fc.record({
      wish: fc.array(fc.record({ number: fc.integer({ min: 1, max: 6 }), count: fc.nat(3) }), {
        maxLength: 6
      }),
      dies: fc.nat(6)
    }),
    { minLength: 1, maxLength: 8 }
  )
  fc.assert(
    fc.property(fc.nat(6), changes, (count, rounds) => {
      const devices = Array.from({ length: count }, (_, at) => device(pciOf(at)))
      const world = worldOf(devices, [])
      for (const [generation, { wish, dies }] of rounds.entries()) {
        const wished = new Map(wish.map(one => [one.number, one.count]))
        const instances = [...wished].map(([number, many]) => wanting(number, many))
        world.take(order({ ...world.order, instances, generation: generation + 2 }))
        const dead = world.domains[dies]
        if (dead) world.end(dead.uuid, 'crashed')
        world.run({ forMs: 1_000 })
        const all = held(world).flat()
        if (new Set(all).size < all.length) return false
        if (all.some(pci => !devices.some(one => one.pci === pci))) return false
      }
      return true
    })
  )
  t.pass()
})
