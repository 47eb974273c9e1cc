import test from 'ava'
import fc from 'fast-check'
import { colour, type Graph } from '../../../../controller/core/engine/coloring.ts'
import type { Problem } from '../../../../controller/core/engine/problem.ts'
import { type Batch, planReboots } from '../../../../controller/core/engine/reboots.ts'
import { problems } from './problems.ts'
import { moved, objectionTo, type Seats } from './score.ts'

test('each open host is rebooted once, and the commanding one in the last batch', t => {
  fc.assert(
    fc.property(problems, fc.boolean(), fc.nat(7), (problem, live, which) => {
      const open = openOf(problem)
      const last = open[which % open.length]!
      const batches = planReboots(problem, { live, last })
      if (!batches) return
      t.deepEqual(batches.flatMap(({ hosts }) => hosts).sort(byNumber), open)
      t.true(batches.at(-1)!.hosts.includes(last))
    })
  )
})

test('no pair is down with both seats, and no host takes over from two of a batch at once', t => {
  fc.assert(
    fc.property(problems, fc.boolean(), (problem, live) => {
      for (const { hosts } of planReboots(problem, { live }) ?? []) {
        const takers = new Map<number, number>()
        for (const [demand, first] of Array.from(problem.first).entries()) {
          const second = problem.second[demand]!
          if (second < 0 || !hosts.includes(first)) continue
          t.false(hosts.includes(second))
          if (live) t.is(takers.get(second) ?? first, first)
          takers.set(second, first)
        }
      }
    })
  )
})

test('those with one seat leave a batch by moves that are each allowed', t => {
  fc.assert(
    fc.property(problems, problem => {
      for (const { hosts, moves } of planReboots(problem, { live: true }) ?? []) {
        const open = Array.from(problem.open, (each, host) => (hosts.includes(host) ? 0 : each))
        const closed = { ...problem, open }
        let seats: Seats = problem
        for (const move of moves) {
          t.is(objectionTo(closed, seats, move), undefined)
          seats = moved(seats, move)
        }
        for (const [demand, first] of Array.from(seats.first).entries()) {
          const stays = problem.fixed[demand] === 1 || problem.second[demand]! >= 0
          t.true(stays || !hosts.includes(first))
        }
      }
    })
  )
})

test('half of the hosts go down at once when the other half has room for all', t => {
  const sizes = planReboots(singles({ hosts: 4, memory: 4 }), { live: true })?.map(size)
  t.deepEqual(sizes, [2, 2])
})

test('hosts go down one by one when the others have room for no more', t => {
  const sizes = planReboots(singles({ hosts: 4, memory: 3 }), { live: true })?.map(size)
  t.deepEqual(sizes, [1, 1, 1, 1])
})

test('there is no plan where a host cannot be emptied', t => {
  t.is(planReboots(singles({ hosts: 4, memory: 2 }), { live: true }), undefined)
})

for (const [name, edges, corners, count] of [
  ['an even ring has two colours', ring(6), 6, 2],
  ['an odd ring has three', ring(7), 7, 3],
  ['where all are joined each has its own', all(5), 5, 5],
  ['a graph without edges has one', [], 4, 1],
  ['a graph without corners has none', [], 0, 0]
] as const) {
  test(name, t => {
    const colours = colour(graphOf(corners, edges))
    t.is(new Set(colours).size, count)
    for (const [one, other] of edges) t.not(colours[one], colours[other])
  })
}

test('no edge joins two of one colour, and the same graph has the same colours', t => {
  const edges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 50 })
  fc.assert(
    fc.property(edges, drawn => {
      const graph = graphOf(
        12,
        drawn.filter(([one, other]) => one !== other)
      )
      const colours = colour(graph)
      for (let cell = 0; cell < graph.edges.length; cell += 1) {
        if (graph.edges[cell] === 1) t.not(colours[Math.floor(cell / 12)], colours[cell % 12])
      }
      t.deepEqual(colour(graph), colours)
    })
  )
})

type Edges = readonly (readonly [number, number])[]

const byNumber = (a: number, b: number): number => a - b
const size = ({ hosts }: Batch): number => hosts.length
const openOf = ({ open }: Problem): readonly number[] =>
  Array.from(open).flatMap((isOpen, host) => (isOpen ? [host] : []))

function ring(corners: number): Edges {
  return Array.from({ length: corners }, (_, each) => [each, (each + 1) % corners])
}

function all(corners: number): Edges {
  const each = Array.from({ length: corners }, (_, corner) => corner)
  return each.flatMap(one => each.filter(other => other > one).map(other => [one, other] as const))
}

function graphOf(corners: number, edges: Edges): Graph {
  const cells = new Uint8Array(corners * corners)
  for (const [one, other] of edges) {
    cells[one * corners + other] = 1
    cells[other * corners + one] = 1
  }
  return { corners, edges: cells }
}

/** Each host has two demands of one unit and room for so many units. */
function singles({ hosts, memory }: { readonly hosts: number; readonly memory: number }): Problem {
  const demands = Array.from({ length: 2 * hosts }, (_, demand) => demand)
  const each = Array.from({ length: hosts }, () => memory)
  return {
    open: each.map(() => 1),
    first: demands.map(demand => demand % hosts),
    second: demands.map(() => -1),
    pair: demands.map(() => 0),
    fixed: demands.map(() => 0),
    groups: demands.map(() => []),
    dimensions: [
      {
        ...{ name: 'memory', weight: 1, both: false, hard: true },
        ...{ capacity: each, limit: each, taken: each.map(() => 0) },
        amount: demands.map(() => 1)
      }
    ],
    levels: [],
    closedSeatWeight: 4,
    closedFirstWeight: 16
  }
}
