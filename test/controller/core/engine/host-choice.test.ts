/** What a host would send and take, against trying everything. */
import test from 'ava'
import fc from 'fast-check'
import { type Ask, HostChoice } from '../../../../controller/core/engine/host-choice.ts'
import type { Shapes } from '../../../../controller/core/engine/shapes.ts'

const price = fc.integer({ min: -60, max: 60 }).map(each => each / 100)
const trials = fc.integer({ min: 1, max: 3 }).chain(count =>
  fc.record({
    count: fc.constant(count),
    steps: fc.array(fc.nat({ max: 3 }), { minLength: 2 * count, maxLength: 2 * count }),
    counts: fc.array(fc.nat({ max: 6 }), { minLength: count, maxLength: count }),
    fee: fc.integer({ min: 1, max: 50 }).map(each => each / 100),
    prices: fc.array(price, { minLength: count, maxLength: count }),
    away: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
    cost: fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 9 }))
  })
)
type Trial = typeof trials extends fc.Arbitrary<infer One> ? One : never

const scale = [0.5, 0.25] as const
const axes = [
  { dimension: 0, unit: 1 },
  { dimension: 1, unit: 1 }
] as const

test('of all that a host could send and take it chooses what costs least', t => {
  fc.assert(
    fc.property(trials, trial => {
      const shapes: Shapes = {
        ...{ count: trial.count, of: new Int32Array(), axes },
        steps: Int32Array.from(trial.steps)
      }
      const choice = new HostChoice(shapes)
      // What one host leaves behind in memory is nothing to the next one.
      choice.choose(askOf({ ...trial, away: [7, -8] }))
      choice.choose(askOf(trial))
      const column = [...choice.column]
      const left = leftOf(trial, column)
      t.true(left.every((each, axis) => Math.abs(each - choice.left[axis]!) < 1e-9))
      t.true(column.every((more, shape) => more >= -trial.counts[shape]!))
      const least = leastOf(trial)
      t.true(Math.abs(paid(trial, column, choice.leaves) - least) < 1e-6)
    }),
    { numRuns: 1_000 }
  )
})

test('a host in the middle sends nobody and takes nobody, as each move has its price', t => {
  const steps = Int32Array.of(1, 1)
  const choice = new HostChoice({ count: 1, of: new Int32Array(), axes, steps })
  const shape = { count: 1, steps: [1, 1], counts: [5], fee: 0.1, prices: [0] }
  choice.choose(askOf({ ...shape, away: [0, 0], cost: [1, 1] }))
  t.deepEqual([...choice.column], [0])
  t.is(choice.leaves, 0)
  choice.choose(askOf({ ...shape, away: [3, 3], cost: [9, 9] }))
  t.deepEqual([[...choice.column], choice.leaves], [[-2], 2])
  choice.choose(askOf({ ...shape, away: [-3, -3], cost: [9, 9] }))
  t.deepEqual([[...choice.column], choice.leaves], [[2], 0])
})

/** Away in quarters of a share, so that hosts lie off the grid, too. */
function askOf(trial: Pick<Trial, 'counts' | 'fee' | 'prices' | 'away' | 'cost'>): Ask {
  const { fee, prices } = trial
  return {
    ...{ away: shareOf(trial.away), scale, cost: trial.cost },
    ...{ counts: Int32Array.from([9, ...trial.counts]), countsFrom: 1 },
    coming: Float64Array.from(prices, each => fee + each),
    leaving: Float64Array.from(prices, each => fee - each)
  }
}

const shareOf = (away: readonly [number, number]): readonly [number, number] => [
  away[0] / 4,
  away[1] / 4
]

function leftOf({ steps, away }: Trial, column: readonly number[]): readonly [number, number] {
  const moved = (axis: 0 | 1): number =>
    column.reduce((sum, more, shape) => sum + more * steps[2 * shape + axis]!, 0) * scale[axis]
  const [one, other] = shareOf(away)
  return [one + moved(0), other + moved(1)]
}

/** What a column costs, with so many that leave; who leaves and comes at once costs both. */
function paid(trial: Trial, column: readonly number[], leaves: number): number {
  const [one, other] = leftOf(trial, column)
  const { cost } = trial
  const squares = cost[0] * one * one + cost[1] * other * other
  const sent = column.reduce((sum, more) => sum + Math.max(0, -more), 0)
  if (leaves !== sent) return Number.NaN
  const prices = column.map(
    (more, shape) => Math.abs(more) * trial.fee + more * trial.prices[shape]!
  )
  return squares + prices.reduce((sum, each) => sum + each, 0)
}

/** The least of all columns that stay where a host looks. */
function leastOf(trial: Trial): number {
  const { count, steps, counts, away } = trial
  const reach = [0, 1].map(axis => Math.max(...steps.filter((_, at) => at % 2 === axis)))
  const off = shareOf(away).map((each, axis) => Math.round(-each / scale[axis]!))
  const low = off.map((each, axis) => Math.min(0, each) - reach[axis]!)
  const high = off.map((each, axis) => Math.max(0, each) + Math.ceil(reach[axis]! / 4))
  const span = Math.max(...high.map((each, axis) => each - low[axis]!))
  let least = Infinity
  const look = (column: readonly number[]): void => {
    if (column.length < count) {
      const shape = column.length
      const isNothing = steps[2 * shape] === 0 && steps[2 * shape + 1] === 0
      const [from, to] = isNothing ? [0, 0] : [-counts[shape]!, span]
      for (let more = from; more <= to; more += 1) look([...column, more])
      return
    }
    for (const axis of [0, 1]) {
      const down = column.reduce(
        (sum, more, k) => sum + Math.min(0, more) * steps[2 * k + axis]!,
        0
      )
      const end = column.reduce((sum, more, k) => sum + more * steps[2 * k + axis]!, 0)
      if (down < low[axis]! || end > high[axis]!) return
    }
    const leaves = column.reduce((sum, more) => sum + Math.max(0, -more), 0)
    least = Math.min(least, paid(trial, column, leaves))
  }
  look([])
  return least
}
