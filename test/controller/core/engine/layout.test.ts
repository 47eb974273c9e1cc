import test from 'ava'
import fc from 'fast-check'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import { problems } from './problems.ts'
import { plainScore } from './score.ts'

const changes = fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: -1, max: 7 }), fc.nat(7)), {
  maxLength: 60
})
const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-6

test('the score kept up to date is the score by its definition', t => {
  fc.assert(
    fc.property(problems, changes, (problem, moves) => {
      const layout = new Layout(problem)
      if (!near(layout.score, plainScore(problem, layout))) return false
      return moves.every(([which, first, step]) => {
        place(layout, which, first, step)
        return near(layout.score, plainScore(problem, layout))
      })
    })
  )
  t.pass()
})

test('taking all moves back restores what was', t => {
  fc.assert(
    fc.property(problems, changes, (problem, moves) => {
      const layout = new Layout(problem)
      const before = picture(layout)
      const undo: (readonly [number, number, number])[] = []
      for (const [which, first, step] of moves) {
        const demand = which % layout.demands
        undo.unshift([demand, layout.first[demand]!, layout.second[demand]!])
        place(layout, which, first, step)
      }
      for (const [demand, first, second] of undo) layout.place(demand, first, second)
      t.deepEqual(picture(layout), before)
      return near(layout.score, plainScore(problem, layout))
    })
  )
})

test('a host closed and opened again changes nothing, and the score in between is right', t => {
  fc.assert(
    fc.property(problems, fc.nat(1000), (problem, which) => {
      const layout = new Layout(problem)
      const host = which % layout.hosts
      const wasOpen = layout.open[host] === 1
      layout.setOpen(host, !wasOpen)
      const others = { ...problem, open: Array.from(layout.open) }
      if (layout.openHosts > 0 && !near(layout.score, plainScore(others, layout))) return false
      layout.setOpen(host, wasOpen)
      return near(layout.score, plainScore(problem, layout))
    })
  )
  t.pass()
})

test('taking the sums anew changes no score', t => {
  fc.assert(
    fc.property(problems, changes, (problem, moves) => {
      const layout = new Layout(problem)
      for (const [which, first, step] of moves) place(layout, which, first, step)
      const { score } = layout
      layout.recount()
      return near(score, layout.score)
    })
  )
  t.pass()
})

/** Gives some demand other seats, or none. */
function place(layout: Layout, which: number, first: number, step: number): void {
  const demand = which % layout.demands
  if (first < 0) {
    layout.place(demand, -1, -1)
    return
  }
  const host = first % layout.hosts
  const isPair = layout.problem.pair[demand] === 1
  const second = isPair ? (host + 1 + (step % (layout.hosts - 1))) % layout.hosts : -1
  layout.place(demand, host, second)
}

const picture = (layout: Layout) => ({
  used: Array.from(layout.used),
  kept: Array.from(layout.kept),
  seats: Array.from(layout.seats),
  short: Array.from(layout.short),
  clash: layout.clash,
  closed: layout.closed,
  shortSeats: layout.shortSeats
})
