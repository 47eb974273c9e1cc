/** What a market of all hosts comes to: lower scores by few moves, or nothing at all. */
import test from 'ava'
import fc from 'fast-check'
import { descend } from '../../../../controller/core/engine/descent.ts'
import { exchange } from '../../../../controller/core/engine/exchange.ts'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import type { Problem } from '../../../../controller/core/engine/problem.ts'
import { refine } from '../../../../controller/core/engine/refine.ts'
import { movableOf, shapesOf } from '../../../../controller/core/engine/shapes.ts'
import { boundOf } from '../../../../tools/bench/placement/bound.ts'
import { problemOf } from '../../../../tools/bench/placement/ganeti-problem.ts'
import { readCluster } from '../../../../tools/bench/placement/ganeti-text.ts'
import { generateCluster } from '../../../../tools/bench/placement/generate.ts'
import { problems } from './problems.ts'
import { moved, objectionTo, plainScore, type Seats } from './score.ts'

/** As they are, but that disks are not levelled: no more than two dimensions may be. */
const levelled = problems.map(problem => ({
  ...problem,
  dimensions: problem.dimensions.map((each, d) => (d === 2 ? { ...each, weight: 0 } : each))
}))
const movesMax = 8

function shapesIn(problem: Problem) {
  const layout = new Layout(problem)
  return shapesOf(layout, movableOf(layout))
}
const limits = { movesMax, seed: 3, work: 10_000_000 }

test('it ends lower, with no more moves than may be, or leaves all as it was', t => {
  let lower = 0
  fc.assert(
    fc.property(levelled, problem => {
      const layout = new Layout(problem)
      descend(layout, { movesMax, contentAt: 0, gainMin: 0 })
      const [{ score }, before] = [layout, layout.first.slice()]
      const from = before.map((host, demand) =>
        problem.pair[demand] ? host : problem.first[demand]!
      )
      const isLower = exchange(layout, from, limits)
      lower += Number(isLower)
      const { first, second } = layout
      t.true(Math.abs(plainScore(problem, { first, second }) - layout.score) < 1e-6)
      t.true(isLower ? layout.score < score : first.every((host, at) => host === before[at]))
      const moved = first.filter((host, demand) => host !== from[demand])
      t.true(moved.length <= movesMax)
      const fixed = [...first.keys()].filter(demand => problem.fixed[demand])
      t.true(fixed.every(demand => first[demand] === from[demand]))
    }),
    { numRuns: 200, seed: 5 }
  )
  t.true(lower > 20, `${lower} of 200 ended lower`)
})

test('every move that a market leads to is allowed in its turn', t => {
  let led = 0
  fc.assert(
    fc.property(levelled, problem => {
      const layout = new Layout(problem)
      descend(layout, { movesMax, contentAt: 0, gainMin: 0 })
      const start = { ...problem, first: layout.first.slice(), second: layout.second.slice() }
      for (let demand = 0; demand < layout.demands; demand += 1) {
        if (!problem.pair[demand]) start.first[demand] = problem.first[demand]!
      }
      const isLower = exchange(new Layout({ ...problem, ...start }), start.first, limits)
      const steps = refine(layout, start.first, { movesMax, trials: 100_000, seed: 3 })
      led += Number(isLower && steps !== undefined)
      let seats: Seats = start
      for (const step of steps ?? []) {
        t.is(objectionTo(problem, seats, step), undefined)
        seats = moved(seats, step)
      }
    }),
    { numRuns: 60, seed: 7 }
  )
  t.true(led > 5, `${led} of 60 went the way of a market`)
})

/** Hosts have hardly more room than all would need that have the same share. */
const tight = levelled.map((problem): Problem => {
  const { used, hosts, dimensions: count } = new Layout(problem)
  const dimensions = problem.dimensions.map((each, d) => {
    const all = Array.from({ length: hosts }, (_, host) => used[host * count + d]!)
    const sum = (some: readonly number[]): number => some.reduce((total, one) => total + one, 0)
    const share = sum(all) / sum(Array.from(each.capacity))
    return { ...each, limit: all.map((own, host) => Math.max(own, share * each.capacity[host]!)) }
  })
  return { ...problem, dimensions }
})

test('what a market comes to is within all limits, however tight they are', t => {
  let lower = 0
  fc.assert(
    fc.property(tight, problem => {
      const layout = new Layout(problem)
      if (!exchange(layout, problem.first, limits)) return
      lower += 1
      const { used, limit } = layout
      for (const cell of used.keys()) t.true(used[cell]! <= limit[cell]!, `cell ${cell}`)
    }),
    { numRuns: 300, seed: 9 }
  )
  t.true(lower > 20, `${lower} of 300 ended lower`)
})

test('hosts are as level as half as many moves again make them', t => {
  for (const [nodes, times] of [
    [40, 1.5],
    [100, 1.25]
  ] as const) {
    const problem = problemOf(readCluster(generateCluster({ nodes, template: 'ext' })))
    const layout = new Layout(problem)
    const single = descend(layout, { movesMax: Infinity, contentAt: 0.1, gainMin: 0.01 })
    const most = Math.floor(1.5 * single.length)
    const steps = refine(layout, problem.first, { movesMax: most, trials: 6_000_000, seed: 1 })
    t.true(steps!.length <= most)
    const ratio = layout.score / boundOf(problem)
    t.true(ratio >= 1 && ratio < times, `${nodes} hosts: ${ratio} times the bound`)
  }
})

test('shapes are those that take the same, in units of what all of them take', t => {
  const shapes = shapesIn(clusterOf({ memory: [2, 4, 4, 6], cpus: [1, 1, 2, 1] }))!
  t.deepEqual([...shapes.of], [0, 1, 2, 3])
  t.deepEqual([...shapes.steps], [1, 1, 2, 1, 2, 2, 3, 1])
  t.deepEqual(shapes.axes[0], { dimension: 0, unit: 2 })
  const alike = shapesIn(clusterOf({ memory: [4, 4, 4], cpus: [1, 1, 1] }))!
  t.deepEqual([...alike.of], [0, 0, 0])
})

test('what is measured comes in no multiples, and is rounded', t => {
  const shapes = shapesIn(clusterOf({ memory: [2.5, 3.7, 2.5], cpus: [1, 1, 1] }))!
  t.deepEqual([...shapes.of], [0, 1, 0])
  const { unit } = shapes.axes[0]
  t.true(Math.abs(shapes.steps[0]! * unit - 2.5) <= unit / 2)
  t.true(Math.abs(shapes.steps[2]! * unit - 3.7) <= unit / 2)
})

test('there are no shapes where each demand has its own, or three dimensions are levelled', t => {
  const many = Array.from({ length: 65 }, (_, at) => at + 1)
  const cluster = clusterOf({ memory: many, cpus: many.map(each => 1 + (each % 3)) })
  t.is(shapesIn(cluster), undefined)
  const { dimensions } = clusterOf({ memory: [2], cpus: [1] })
  const three = {
    ...clusterOf({ memory: [2], cpus: [1] }),
    dimensions: [...dimensions, dimensions[0]!]
  }
  t.is(shapesIn(three), undefined)
})

/** Two hosts, all demands on the first. */
function clusterOf(given: Readonly<Record<'memory' | 'cpus', readonly number[]>>): Problem {
  const { memory, cpus } = given
  const none = memory.map(() => 0)
  const size = { weight: 1, both: false, hard: true, taken: [0, 0] }
  return {
    ...{ open: [1, 1], first: none, second: memory.map(() => -1), pair: none, fixed: none },
    dimensions: [
      { ...size, name: 'memory', capacity: [400, 400], limit: [4e3, 4e3], amount: memory },
      { ...size, name: 'cpus', capacity: [100, 100], limit: [400, 400], amount: cpus }
    ],
    ...{ groups: memory.map(() => []), levels: [], closedSeatWeight: 4, closedFirstWeight: 16 }
  }
}
