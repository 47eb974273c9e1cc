/** Small problems of machine reassignment, drawn so that where everything is now is allowed. */
import fc from 'fast-check'
import type { Reassignment } from '../../../../controller/core/engine/reassign/problem.ts'

const weights = fc.record({
  process: fc.integer({ min: 0, max: 3 }),
  service: fc.integer({ min: 0, max: 20 }),
  machine: fc.integer({ min: 0, max: 3 })
})

const sizes = fc.record({
  resources: fc.integer({ min: 1, max: 3 }),
  machines: fc.integer({ min: 2, max: 5 }),
  services: fc.integer({ min: 1, max: 5 }),
  processes: fc.integer({ min: 1, max: 10 })
})

type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never

/** Problems that a judge finds nothing wrong with as they are. */
export const reassignments: fc.Arbitrary<Reassignment> = sizes.chain(problemOf)

function problemOf(size: Sizes): fc.Arbitrary<Reassignment> {
  const { machines, processes, resources, services } = size
  const numbers = (length: number, max: number, min = 0) =>
    fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length })
  return fc
    .record({
      transient: numbers(resources, 1),
      loadWeight: numbers(resources, 10, 1),
      location: numbers(machines, 2),
      neighbourhood: numbers(machines, 2),
      slack: numbers(machines * resources, 25),
      tight: numbers(machines * resources, 20),
      distance: numbers(machines * machines, 9),
      spread: numbers(services, 1),
      needs: fc.array(fc.tuple(fc.nat(services - 1), fc.nat(services - 1)), { maxLength: 6 }),
      service: numbers(processes, services - 1),
      demand: numbers(processes * resources, 12),
      moveCost: numbers(processes, 9),
      home: numbers(processes, machines - 1),
      balances: fc.array(balanceOf(resources), { maxLength: 2 }),
      weight: weights
    })
    .map(drawn => assembled(size, drawn))
}

const balanceOf = (resources: number) =>
  fc.record({
    first: fc.nat(resources - 1),
    second: fc.nat(resources - 1),
    target: fc.integer({ min: 1, max: 3 }),
    weight: fc.integer({ min: 1, max: 5 })
  })

type Drawn = {
  readonly [K in
    | 'transient'
    | 'loadWeight'
    | 'location'
    | 'neighbourhood'
    | 'slack'
    | 'tight'
    | 'distance'
    | 'spread'
    | 'service'
    | 'demand'
    | 'moveCost'
    | 'home']: readonly number[]
} & Pick<Reassignment, 'balances' | 'weight'> & {
    readonly needs: readonly (readonly [number, number])[]
  }

/** What is drawn, bent until where everything is now is allowed. */
function assembled(size: Sizes, drawn: Drawn): Reassignment {
  const { machines, resources } = size
  const service = separated(size, drawn)
  const used = new Float64Array(machines * resources)
  for (const [k, amount] of drawn.demand.entries()) {
    used[drawn.home[Math.floor(k / resources)]! * resources + (k % resources)]! += amount
  }
  const capacity = used.map((amount, k) => amount + drawn.slack[k]!)
  const located = (which: number, places: readonly number[]) =>
    new Set(service.flatMap((each, k) => (each === which ? [places[drawn.home[k]!]!] : [])))
  const services = size.services + size.processes + 1
  const spreadMin = Array.from({ length: services }, (_, which) =>
    Math.min(located(which, drawn.location).size, 1 + (drawn.spread[which] ?? 0))
  )
  const needs = Array.from({ length: services }, (_, which) => {
    const wanted = drawn.needs.filter(([user]) => user === which).map(([, needed]) => needed)
    const places = located(which, drawn.neighbourhood)
    return Int32Array.from(
      wanted.filter(needed => places.isSubsetOf(located(needed, drawn.neighbourhood)))
    )
  })
  return {
    ...size,
    ...{ services, spreadMin: Int32Array.from(spreadMin), needs, capacity },
    transient: Uint8Array.from(drawn.transient),
    loadWeight: Float64Array.from(drawn.loadWeight),
    location: Int32Array.from(drawn.location),
    neighbourhood: Int32Array.from(drawn.neighbourhood),
    safety: capacity.map((amount, k) => Math.max(0, amount - drawn.tight[k]!)),
    distance: Float64Array.from(drawn.distance, (each, k) => (k % (machines + 1) === 0 ? 0 : each)),
    service: Int32Array.from(service),
    demand: Float64Array.from(drawn.demand),
    moveCost: Float64Array.from(drawn.moveCost),
    ...{ balances: drawn.balances, weight: drawn.weight, home: Int32Array.from(drawn.home) }
  }
}

/** The service of each process; a second one of the same on a machine gets one of its own. */
function separated({ services }: Sizes, { home, service }: Drawn): readonly number[] {
  const taken = new Set<string>()
  let next = services
  return service.map((wanted, process) => {
    const key = `${wanted} ${home[process]}`
    if (!taken.has(key)) {
      taken.add(key)
      return wanted
    }
    next += 1
    return next - 1
  })
}
