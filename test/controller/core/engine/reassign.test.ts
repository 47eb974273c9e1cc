import test from 'ava'
import fc from 'fast-check'
import { Annealing } from '../../../../controller/core/engine/reassign/annealing.ts'
import type { Crews } from '../../../../controller/core/engine/reassign/crews.ts'
import { Destinations } from '../../../../controller/core/engine/reassign/destinations.ts'
import { Kinship, kin } from '../../../../controller/core/engine/reassign/kinship.ts'
import type { Reassignment } from '../../../../controller/core/engine/reassign/problem.ts'
import { scalesOf } from '../../../../controller/core/engine/reassign/scales.ts'
import { refused, Seats } from '../../../../controller/core/engine/reassign/seats.ts'
import {
  beyondWay,
  freeWay,
  usualWay,
  type Way,
  waysFor
} from '../../../../controller/core/engine/reassign/ways.ts'
import { judge } from '../../../../tools/bench/reassign/judge.ts'
import { reassignments } from './reassign-problems.ts'

const step = fc.record({ kind: fc.nat(1), one: fc.nat(9), other: fc.nat(9), to: fc.nat(4) })
const steps = fc.array(step, { maxLength: 30 })
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

test('problems are drawn such that nothing is wrong where everything is now', t => {
  fc.assert(
    fc.property(reassignments, problem => {
      t.deepEqual(judge(problem, problem.home).objections, [])
      t.is(new Seats(problem).cost, judge(problem, problem.home).total)
    })
  )
})

test('a change costs what the judge says, and is refused where the judge objects', t => {
  fc.assert(
    fc.property(reassignments, steps, fc.boolean(), (problem, all, isKept) => {
      const seats = new Seats(problem)
      if (!isKept) seats.setPrice(dear(problem))
      for (const each of all) {
        const changed = changedBy(problem, seats, each)
        if (changed === undefined) continue
        const verdict = judge(problem, changed.at)
        const before = seats.cost
        if (verdict.objections.length > 0) t.is(changed.cost, refused)
        else {
          t.is(before + changed.cost, verdict.total)
          if (changed.cost > 0) t.is(changed.limited, refused)
          for (const [process, to] of changed.moves) seats.move(process, to)
          t.is(seats.cost, verdict.total)
          t.is(seats.excess, 0)
          t.deepEqual([...seats.at], [...changed.at])
        }
      }
    }),
    { numRuns: 300 }
  )
})

test('a chain costs what the judge says, and is refused where the judge objects', t => {
  let taken = 0
  fc.assert(
    fc.property(reassignments, steps, fc.boolean(), (problem, all, isKept) => {
      const seats = new Seats(problem)
      if (!isKept) seats.setPrice(dear(problem))
      for (const { one, other, to } of all) {
        const [first, second] = [one % problem.processes, other % problem.processes]
        const [middle, third] = [seats.at[second]!, to % problem.machines]
        if (new Set([seats.at[first]!, middle, third]).size < 3) continue
        const at = Int32Array.from(seats.at)
        at[first] = middle
        at[second] = third
        const { objections, total } = judge(problem, at)
        const cost = seats.chainCost(first, second, third, 1e8)
        if (objections.length > 0) {
          t.is(cost, refused)
          continue
        }
        taken += 1
        t.is(seats.cost + cost, total)
        if (cost > 0) t.is(seats.chainCost(first, second, third, cost), refused)
        seats.move(second, third)
        seats.move(first, middle)
        t.is(seats.cost, total)
      }
    }),
    { numRuns: 300 }
  )
  t.true(taken > 0)
})

test('who is on a machine, and who came from elsewhere, is known after every move', t => {
  fc.assert(
    fc.property(reassignments, steps, (problem, all) => {
      const seats = new Seats(problem)
      for (const { one, to } of all) seats.move(one % problem.processes, to % problem.machines)
      for (let machine = 0; machine < problem.machines; machine += 1) {
        const here = [...seats.at.keys()].filter(process => seats.at[process] === machine)
        const guests = here.filter(process => problem.home[process] !== machine)
        t.deepEqual(listed(seats.crews, machine), here)
        t.deepEqual(listed(seats.visitors, machine), guests)
      }
    })
  )
})

test('a machine that is no destination of a process could not take it if all else left', t => {
  fc.assert(
    fc.property(reassignments, problem => {
      const destinations = new Destinations(problem)
      for (let process = 0; process < problem.processes; process += 1) {
        const listed = new Set<number>()
        for (let k = 0; k < destinations.count(process); k += 1) {
          listed.add(destinations.of(process, k))
        }
        for (let machine = 0; machine < problem.machines; machine += 1) {
          if (machine === problem.home[process] || listed.has(machine)) continue
          t.true(leastExcess(problem, process, machine) > 0)
        }
      }
    })
  )
})

test('sums stay right where capacities are exceeded at a price', t => {
  fc.assert(
    fc.property(reassignments, steps, (problem, all) => {
      const seats = new Seats(problem)
      seats.setPrice(new Float64Array(problem.resources).fill(7))
      for (const each of all) {
        const changed = changedBy(problem, seats, each)
        if (changed === undefined || changed.cost === refused) continue
        const expected = seats.cost + changed.cost
        for (const [process, to] of changed.moves) seats.move(process, to)
        t.is(seats.cost, expected)
        const { objections, total } = judge(problem, seats.at)
        t.is(seats.cost, total + 7 * seats.excess)
        t.is(objections.length === 0, seats.excess === 0)
      }
    }),
    { numRuns: 300 }
  )
})

for (const [name, way] of Object.entries({ usualWay, freeWay, beyondWay })) {
  test(`a search ends with allowed seats that cost what it says, never more: ${name}`, t => {
    fc.assert(
      fc.property(reassignments, fc.integer({ min: 1, max: 1000 }), (problem, seed) => {
        const search = searched(problem, { ...way, seed }, 300)
        const { objections, total } = judge(problem, search.best)
        t.deepEqual(objections, [])
        t.is(search.bestCost, total)
        t.true(total <= judge(problem, problem.home).total)
      })
    )
  })
}

test('the same seed and steps give the same seats, in two searches at once too', t => {
  fc.assert(
    fc.property(reassignments, problem => {
      const way = { ...usualWay, seed: 5 }
      t.deepEqual([...searched(problem, way, 200).best], [...searched(problem, way, 200).best])
    }),
    { numRuns: 20 }
  )
})

test('capacities are exceeded on the way where next to nobody can come', t => {
  fc.assert(
    fc.property(reassignments, problem => {
      const scales = scalesOf(problem)
      const ways = waysFor(scales)
      t.is(ways.length, 2)
      for (const { excess } of ways) t.is(excess !== undefined, scales.visitors < 3)
    })
  )
})

test('where moved processes hold nothing at home, searches begin less warm', t => {
  fc.assert(
    fc.property(reassignments, problem => {
      const free = { ...problem, transient: problem.transient.map(() => 0) }
      for (const way of waysFor(scalesOf(free))) t.is(way, freeWay)
      const held = { ...problem, transient: problem.transient.map(() => 1) }
      const isUsed = problem.demand.some(each => each > 0)
      if (isUsed) for (const way of waysFor(scalesOf(held))) t.not(way, freeWay)
    })
  )
})

test('the room that large processes hold counts by its square where many sit on a machine', t => {
  const roomsOf = (processes: number) => {
    const demand = Float64Array.from({ length: processes }, (_, k) => (k === 0 ? 6 : 1))
    const [one] = fc.sample(reassignments, { numRuns: 1, seed: 3 })
    const sizes = { machines: 1, resources: 1, processes, transient: Uint8Array.of(1) }
    const all = { ...sizes, demand, loadWeight: Float64Array.of(1), balances: [] }
    const { room, units } = scalesOf({ ...one!, ...all, capacity: Float64Array.of(1e4) })
    return { large: room[0]!, share: 6 / units[0]! }
  }
  t.is(roomsOf(99).large, 4)
  const { large, share } = roomsOf(100)
  t.true(Math.abs(large - share * share) < 1e-9)
})

test('of a kind are those that use as much of what counts most for a process', t => {
  const [one] = fc.sample(reassignments, { numRuns: 1, seed: 3 })
  const processes = 100
  // Of the first resource each uses one more than the one before it, of the second the others do.
  const demand = Float64Array.from({ length: 2 * processes }, (_, k) => {
    const process = Math.floor(k / 2)
    return k % 2 === 0 ? 1000 + process : 10 * ((process * 37) % processes)
  })
  const problem = { ...one!, processes, demand, resources: 2, balances: [] }
  const kinOf = (loadWeight: Float64Array, process: number) => {
    const kinship = new Kinship({ ...problem, loadWeight })
    const drawn = Array.from({ length: kin }, (_, lot) => kinship.of(process, lot))
    return [...new Set(drawn)].sort((some, other) => some - other)
  }
  const range = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, k) => first + k)
  t.deepEqual(kinOf(Float64Array.of(1, 1), 50), range(26, 74))
  t.deepEqual(kinOf(Float64Array.of(1, 1), 3), range(0, 27))
  const second = (process: number) => (process * 37) % processes
  const near = kinOf(Float64Array.of(0, 1), 50).map(each => second(each) - second(50))
  t.is(near.length, kin)
  t.true(near.every(distance => Math.abs(distance) <= 24))
})

test('a small problem is solved as by trying everything', t => {
  const small = reassignments.filter(({ machines, processes }) => machines ** processes <= 300)
  fc.assert(
    fc.property(small, problem => {
      t.is(searched(problem, usualWay, 600).bestCost, cheapestOf(problem))
    }),
    { numRuns: 30, seed: 11 }
  )
})

function listed(crews: Crews, machine: number): readonly number[] {
  const all = Array.from({ length: crews.count(machine) }, (_, k) => crews.of(machine, k))
  return all.sort((one, other) => one - other)
}

/** Units beyond the capacities of a machine with a process, and what others hold there at least. */
function leastExcess(problem: Reassignment, process: number, machine: number): number {
  const { capacity, demand, home, resources, transient } = problem
  let excess = 0
  for (let r = 0; r < resources; r += 1) {
    let held = demand[process * resources + r]!
    for (const [other, at] of home.entries()) {
      if (at === machine && transient[r] === 1) held += demand[other * resources + r]!
    }
    excess += Math.max(0, held - capacity[machine * resources + r]!)
  }
  return excess
}

const dear = ({ resources }: Reassignment): Float64Array => new Float64Array(resources).fill(1e9)

/** What a step would change: the seats after it, its cost, and its cost with that as the limit. */
function changedBy(problem: Reassignment, seats: Seats, { kind, one, other, to }: Step) {
  const first = one % problem.processes
  const second = other % problem.processes
  const here = seats.at[first]!
  const there = kind === 0 ? to % problem.machines : seats.at[second]!
  if (here === there) return
  const at = Int32Array.from(seats.at)
  at[first] = there
  const moves = [[first, there] as const]
  if (kind === 1) {
    at[second] = here
    moves.push([second, here])
  }
  const cost = (limit: number) =>
    kind === 0 ? seats.shiftCost(first, there, limit) : seats.swapCost(first, second, limit)
  const full = cost(1e8)
  return { at, moves, cost: full, limited: full === refused ? refused : cost(full) }
}

function searched(problem: Reassignment, way: Way, slices: number): Annealing {
  const search = new Annealing(problem, way)
  for (let slice = 0; slice < slices; slice += 1) search.run(20, slice / slices)
  return search
}

function cheapestOf(problem: Reassignment): number {
  const at = new Int32Array(problem.processes)
  let least = Number.POSITIVE_INFINITY
  for (let which = 0; which < problem.machines ** problem.processes; which += 1) {
    let rest = which
    for (let process = 0; process < problem.processes; process += 1) {
      at[process] = rest % problem.machines
      rest = Math.floor(rest / problem.machines)
    }
    const { objections, total } = judge(problem, at)
    if (objections.length === 0) least = Math.min(least, total)
  }
  return least
}
