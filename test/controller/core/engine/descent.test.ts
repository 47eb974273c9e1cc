import test from 'ava'
import fc from 'fast-check'
import { descend } from '../../../../controller/core/engine/descent.ts'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import type { Move, Problem } from '../../../../controller/core/engine/problem.ts'
import { problemOf } from '../../../../tools/bench/placement/ganeti-problem.ts'
import { readCluster } from '../../../../tools/bench/placement/ganeti-text.ts'
import { generateCluster } from '../../../../tools/bench/placement/generate.ts'
import { problems } from './problems.ts'
import { moved, objectionTo, plainScore, type Seats } from './score.ts'

const all = { movesMax: 100, contentAt: 0, gainMin: 0 }

test('every move is allowed when it is made, and the score is as it says', t => {
  fc.assert(
    fc.property(problems, problem => {
      let seats: Seats = problem
      for (const step of descend(new Layout(problem), all)) {
        const before = plainScore(problem, seats)
        t.is(objectionTo(problem, seats, step), undefined)
        seats = moved(seats, step)
        t.true(Math.abs(plainScore(problem, seats) - step.score) < 1e-6)
        t.true(step.score < before)
      }
    })
  )
})

test('no allowed move lowers the score more than the one that was made', t => {
  fc.assert(
    fc.property(problems, problem => {
      const [step] = descend(new Layout(problem), { ...all, movesMax: 1 })
      const best = bestOf(problem, problem)
      t.true((step?.score ?? plainScore(problem, problem)) < best + 1e-6)
    }),
    { numRuns: 60 }
  )
})

test('the same problem gives the same moves', t => {
  fc.assert(
    fc.property(problems, problem => {
      t.deepEqual(descend(new Layout(problem), all), descend(new Layout(problem), all))
    })
  )
})

test('content with a score it makes only moves that gain enough', t => {
  fc.assert(
    fc.property(problems, problem => {
      const until = { movesMax: 100, contentAt: 0.5, gainMin: 0.05 }
      let score = new Layout(problem).score
      for (const step of descend(new Layout(problem), until)) {
        t.true(score > 0.5 || score - step.score >= 0.05)
        score = step.score
      }
    })
  )
})

for (const template of ['ext', 'mixed'] as const) {
  test(`in a large layout every move is allowed and lowers the score: ${template}`, t => {
    const problem = problemOf(readCluster(generateCluster({ nodes: 100, template, seed: 7 })))
    const layout = new Layout(problem)
    let [seats, score]: [Seats, number] = [problem, layout.score]
    for (const step of descend(layout, { movesMax: 400, contentAt: 0, gainMin: 0 })) {
      t.is(objectionTo(problem, seats, step), undefined)
      seats = moved(seats, step)
      t.true(step.score < score)
      score = step.score
    }
    t.true(Math.abs(plainScore(problem, seats) - layout.score) < 1e-6)
    t.deepEqual(Array.from(layout.first), Array.from(seats.first))
  })
}

/** The lowest score that one move brings: all demands, all ways, all hosts. */
function bestOf(problem: Problem, seats: Seats): number {
  let best = plainScore(problem, seats)
  for (const move of movesOf(problem, seats)) {
    if (objectionTo(problem, seats, move) !== undefined) continue
    best = Math.min(best, plainScore(problem, moved(seats, move)))
  }
  return best
}

/** A pair runs on its second seat while its first one moves, so it must be allowed there. */
function movesOf(problem: Problem, seats: Seats): readonly Move[] {
  const open = Array.from(problem.open).flatMap((isOpen, host) => (isOpen ? [host] : []))
  return Array.from(seats.first).flatMap((first, demand): readonly Move[] => {
    const second = seats.second[demand]!
    if (second < 0) return open.map(host => ({ demand, first: host, second }))
    const leads = { demand, first: second, second: first }
    const canLead = objectionTo(problem, seats, leads) === undefined
    const others = open.filter(host => host !== first && host !== second)
    return [
      leads,
      ...others.map(host => ({ demand, first, second: host })),
      ...others.map(host => ({ demand, first: host, second: first })),
      ...(canLead ? others.map(host => ({ demand, first: host, second })) : []),
      ...others.map(host => ({ demand, first: second, second: host }))
    ]
  })
}
