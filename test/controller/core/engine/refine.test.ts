import test from 'ava'
import fc from 'fast-check'
import { descend } from '../../../../controller/core/engine/descent.ts'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import { refine } from '../../../../controller/core/engine/refine.ts'
import { problems } from './problems.ts'
import { moved, objectionTo, plainScore, type Seats } from './score.ts'

const effort = { movesMax: 8, trials: 2_000, seed: 3 }
const until = { movesMax: 8, contentAt: 0, gainMin: 0 }

test('refined moves are each allowed in their order, and better than the descent', t => {
  fc.assert(
    fc.property(problems, problem => {
      const layout = new Layout(problem)
      // Pairs stay where the descent has brought them.
      descend(layout, until)
      const start = { ...problem, first: layout.first.slice(), second: layout.second.slice() }
      for (let demand = 0; demand < layout.demands; demand += 1) {
        if (!problem.pair[demand]) start.first[demand] = problem.first[demand]!
      }
      const [{ score }, found] = [layout, layout.first.slice()]
      const steps = refine(layout, start.first, effort)
      if (!steps) {
        t.deepEqual([...layout.first], [...found])
        t.true(Math.abs(layout.score - score) < 1e-6)
        return
      }
      let seats: Seats = start
      for (const step of steps) {
        t.is(objectionTo(problem, seats, step), undefined)
        seats = moved(seats, step)
        t.true(Math.abs(plainScore(problem, seats) - step.score) < 1e-6)
      }
      t.true(layout.score < score)
    })
  )
})

test('the same seed gives the same moves', t => {
  fc.assert(
    fc.property(problems, problem => {
      const [one, other] = [0, 1].map(() => refine(new Layout(problem), problem.first, effort))
      t.deepEqual(one, other)
    }),
    { numRuns: 20 }
  )
})
