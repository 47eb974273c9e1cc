/**
 * Whatever is ordered, in whatever sequence, and whatever happens to domains meanwhile: the steps
 * bring the world to where the order wants it, then nothing is left to do; and on the way nothing
 * is touched that is not ours or still in use.
 */
import test from 'ava'
import fc from 'fast-check'
import { uuidOf } from '#shared/ids.ts'
import type { Order, OrderInstance, OrderVolume } from '#shared/wire/order.ts'
import { isAlive } from '../../agent/core/own-domains.ts'
import { laneOf, type Step } from '../../agent/core/steps.ts'
import { domainOf, foreignDomain, ModelWorld } from './model-world.ts'
import { emptyOrder, idOf, image, instance, network, pool, volume } from './samples.ts'

const count = 4

const anyInstance = (number: number): fc.Arbitrary<OrderInstance> =>
  fc
    .record({
      desiredPower: fc.constantFrom('running' as const, 'paused' as const, 'stopped' as const),
      restarts: fc.nat(2),
      memoryMib: fc.constantFrom(256, 512),
      stopGraceMs: fc.constantFrom(0, 3_000, 15_000),
      name: fc.constantFrom(`a${number}`, `b${number}`)
    })
    .map(given =>
      instance({
        ...given,
        id: idOf('i', number),
        volumes: [idOf('v', number)],
        ports: [{ ...instance().ports[0]!, id: idOf('p', number) }]
      })
    )

const anyVolume = (number: number): fc.Arbitrary<OrderVolume> =>
  fc
    .record({
      desired: fc.constantFrom('present' as const, 'present' as const, 'absent' as const),
      sizeMib: fc.constantFrom(1024, 2048)
    })
    .map(given => volume({ ...given, id: idOf('v', number), name: `v${number}` }))

const anyOrder: fc.Arbitrary<Order> = fc
  .record({
    instances: fc.tuple(...Array.from({ length: count }, (_, n) => fc.option(anyInstance(n)))),
    volumes: fc.tuple(...Array.from({ length: count }, (_, n) => anyVolume(n)))
  })
  .map(({ instances, volumes }) =>
    emptyOrder({
      images: [image()],
      pools: [pool()],
      networks: [network()],
      volumes,
      instances: instances.filter(each => each !== null)
    })
  )

type Happening =
  | { readonly type: 'order'; readonly order: Order }
  | { readonly type: 'end'; readonly number: number; readonly detail: string }
  | { readonly type: 'pass'; readonly ms: number }
  | { readonly type: 'obey'; readonly obedient: boolean }
  | { readonly type: 'foreign'; readonly there: boolean }
  | { readonly type: 'rest' }
  | { readonly type: 'work'; readonly begin: number; readonly finish: number }

const anyHappening: fc.Arbitrary<Happening> = fc.oneof(
  anyOrder.map(order => ({ type: 'order' as const, order })),
  fc.record({
    type: fc.constant('end' as const),
    number: fc.nat(count - 1),
    detail: fc.constantFrom('shutdown', 'destroyed', 'crashed')
  }),
  fc.record({ type: fc.constant('pass' as const), ms: fc.nat(20_000) }),
  fc.record({ type: fc.constant('obey' as const), obedient: fc.boolean() }),
  fc.record({ type: fc.constant('foreign' as const), there: fc.boolean() }),
  fc.record({ type: fc.constant('rest' as const) }),
  fc.record({ type: fc.constant('rest' as const) }),
  ...Array.from({ length: 3 }, () =>
    fc.record({ type: fc.constant('work' as const), begin: fc.nat(255), finish: fc.nat(255) })
  )
)

const foreign = foreignDomain({ name: 'acme.b1' })

function happen(world: ModelWorld, happening: Happening): void {
  const { type } = happening
  if (type === 'order') world.take(happening.order)
  else if (type === 'end') world.end(uuidOf(idOf('i', happening.number)), happening.detail)
  else if (type === 'pass') world.pass(happening.ms)
  else if (type === 'obey') world.obedient = happening.obedient
  else if (type === 'rest') rest(world)
  else if (type === 'work') work(world, happening)
  // A name that is taken by one of ours cannot be taken by another.
  else if (happening.there && !world.domains.some(({ name }) => name === foreign.name)) {
    world.domains = [...world.domains, foreign]
  }
}

/** Begins some of what is decided, and finishes some of what is under way, as the bits say. */
function work(world: ModelWorld, bits: { readonly begin: number; readonly finish: number }): void {
  for (const [at, step] of world.look().steps.entries()) {
    const lane = laneOf(step)
    if (((bits.begin >> (at % 8)) & 1) === 0) continue
    if (world.inFlight.some(each => laneOf(each) === lane)) continue
    world.begin(step)
  }
  for (const [at, step] of [...world.inFlight].entries()) {
    if (((bits.finish >> (at % 8)) & 1) === 1) finish(world, step)
  }
}

/** Finishes all that is under way, and then all that is left to do. */
function rest(world: ModelWorld): void {
  for (const step of [...world.inFlight]) finish(world, step)
  world.run()
}

function finish(world: ModelWorld, step: Step): void {
  const isThere = !('domain' in step) || world.domains.some(({ uuid }) => uuid === step.domain.uuid)
  // A domain that has ended by itself cannot be ended any more; the real one would say so.
  if (isThere) {
    check(world, step)
    world.finish(step)
  } else world.inFlight = world.inFlight.filter(each => each !== step)
}

function check(world: ModelWorld, step: Step): void {
  const wrong = objection(world, step)
  if (wrong !== undefined) throw new Error(`${wrong}: ${JSON.stringify(step)}`)
}

/** Says what is wrong with beginning or finishing a step in this world. */
function objection(world: ModelWorld, step: Step): string | undefined {
  const starting = world.inFlight.flatMap(each => (each.type === 'create-domain' ? each.plan : []))
  const alive = [
    ...world.domains.filter(isAlive),
    ...starting
      .filter(plan => !(step.type === 'create-domain' && step.plan === plan))
      .map(plan => domainOf(plan, ''))
  ]
  if ('domain' in step && step.domain.uuid === foreign.uuid) return 'a foreign domain is touched'
  if (step.type === 'remove-volume') {
    const ordered = world.order.volumes.find(each => each.id === step.volume.id)
    const begins = !world.inFlight.includes(step)
    if (begins && ordered?.desired !== 'absent') {
      return 'a volume is removed that is not ordered to go'
    }
    if (alive.some(domain => domain.metadata?.includes(step.volume.id))) {
      return 'a volume is removed that is in use'
    }
  }
  if (step.type === 'grow-volume' && alive.some(each => each.metadata?.includes(step.volume.id))) {
    return 'a volume grows that is in use'
  }
  if (step.type === 'create-domain') {
    const { id, volumes } = step.plan.instance
    if (alive.some(domain => domain.uuid === uuidOf(id))) return 'a domain is started twice'
    const stored = world.observed.pools.flatMap(each => each.volumes.map(({ id }) => id))
    if (!volumes.every(each => stored.includes(each))) return 'a volume is missing at the start'
  }
  return undefined
}

/** Whether every part of the world is as the order wishes. */
function faults(world: ModelWorld): string[] {
  const { order, domains, observed } = world
  const found: string[] = []
  const stored = new Set(observed.pools.flatMap(each => each.volumes.map(({ id }) => id)))
  const present = new Set(
    order.volumes.filter(each => each.desired === 'present').map(each => each.id)
  )
  for (const each of order.instances) {
    const domain = domains.find(({ uuid }) => uuid === uuidOf(each.id))
    const blocked =
      !each.volumes.every(id => present.has(id)) ||
      (domains.includes(foreign) && foreign.name === `${each.tenant}.${each.name}`)
    const wished = each.desiredPower === 'stopped' || blocked ? undefined : each.desiredPower
    if (domain?.state !== wished && !(blocked && domain !== undefined)) {
      found.push(`${each.name} is ${domain?.state}, wished ${wished}`)
    }
  }
  for (const { uuid, name } of domains) {
    if (uuid !== foreign.uuid && !order.instances.some(each => uuidOf(each.id) === uuid)) {
      found.push(`${name} runs and is not ordered`)
    }
  }
  for (const id of present) if (!stored.has(id)) found.push(`${id} is missing`)
  return found
}

test('every order is brought about, touching nothing that is in use or not ours', t => {
  fc.assert(
    fc.property(fc.array(anyHappening, { minLength: 1, maxLength: 40 }), happenings => {
      const world = new ModelWorld(emptyOrder())
      world.onStep = step => check(world, step)
      for (const happening of happenings) {
        happen(world, happening)
      }
      rest(world)
      world.obedient = true
      world.run({ forMs: 120_000 })
      const found = faults(world)
      if (found.length > 0) throw new Error(found.join('; '))
      const plan = world.look()
      const steps = plan.steps.filter(step => step.type !== 'apply-networks')
      if (steps.length > 0) throw new Error(`left to do: ${JSON.stringify(steps)}`)
    }),
    { numRuns: 400 }
  )
  t.pass()
})
