import test from 'ava'
import fc from 'fast-check'
import { planEvacuation } from '../../../../controller/core/engine/evacuation.ts'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import { problems } from './problems.ts'
import { moved, objectionTo, plainScore, type Seats } from './score.ts'

test('a host is emptied by moves that are each allowed, but for those it says are stranded', t => {
  fc.assert(
    fc.property(problems, fc.nat(1000), (problem, which) => {
      const layout = new Layout(problem)
      const host = which % layout.hosts
      const { moves, stranded, score } = planEvacuation(layout, [host])
      const closed = { ...problem, open: Array.from(problem.open).with(host, 0) }
      let seats: Seats = problem
      for (const move of moves) {
        t.is(objectionTo(closed, seats, move), undefined)
        seats = moved(seats, move)
      }
      for (let demand = 0; demand < layout.demands; demand += 1) {
        if (problem.fixed[demand] || stranded.includes(demand)) continue
        t.false([seats.first[demand], seats.second[demand]].includes(host))
      }
      if (closed.open.includes(1)) t.true(Math.abs(plainScore(closed, seats) - score) < 1e-6)
    })
  )
})

test('planning leaves the layout as it was, and the same is planned again', t => {
  fc.assert(
    fc.property(problems, fc.nat(1000), (problem, which) => {
      const layout = new Layout(problem)
      const hosts = [which % layout.hosts, (which + 1) % layout.hosts]
      const plan = planEvacuation(layout, hosts)
      t.deepEqual(Array.from(layout.first), Array.from(problem.first))
      t.deepEqual(Array.from(layout.open), Array.from(problem.open))
      t.true(Math.abs(layout.score - plainScore(problem, problem)) < 1e-6)
      t.deepEqual(planEvacuation(layout, hosts), plan)
    })
  )
})
