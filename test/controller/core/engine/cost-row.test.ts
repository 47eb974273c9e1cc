/** The list of the cheapest, followed change by change, against sorting all of them. */
import test from 'ava'
import fc from 'fast-check'
import { CostRow } from '../../../../controller/core/engine/cost-row.ts'

const cost = fc.nat(12)
const changes = fc.array(fc.tuple(fc.nat(99), cost), { maxLength: 40 })
const rows = fc.record({
  costs: fc.array(cost, { minLength: 2, maxLength: 12 }),
  most: fc.integer({ min: 1, max: 4 }),
  changes
})

test('what it lists after each change is what sorting all places gives', t => {
  fc.assert(
    fc.property(rows, ({ costs, most, changes }) => {
      const rise = Float64Array.from(costs)
      const bend = new Float64Array(costs.length)
      const hosts = Int32Array.from(rise.keys())
      const row = new CostRow([1], rise.length, Math.min(most, rise.length))
      row.fill(rise, bend)
      for (const [which, to] of changes) {
        const place = which % rise.length
        rise[place] = to
        row.follow(rise, bend, Int32Array.of(place))
        const sorted = [...hosts].sort((a, b) => rise[a]! - rise[b]! || a - b)
        t.deepEqual([...row.write(hosts)], sorted.slice(0, row.list.length))
      }
    }),
    { numRuns: 2_000 }
  )
})
