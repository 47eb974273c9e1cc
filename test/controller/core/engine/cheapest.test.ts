import test from 'ava'
import fc from 'fast-check'
import { Cheapest } from '../../../../controller/core/engine/cheapest.ts'
import { deviation, Layout } from '../../../../controller/core/engine/layout.ts'
import { bestSecond } from '../../../../controller/core/engine/seating.ts'
import { problems } from './problems.ts'

const most = 3
/** A demand takes a seat at a host, or demands ask for their lists, or all is looked at anew. */
const steps = fc.array(fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(9)), { maxLength: 60 })

test('the list that follows each change is the one that looking at all hosts gives', t => {
  fc.assert(
    fc.property(problems, steps, (problem, changes) => {
      const layout = new Layout(problem)
      const open = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
      const cheapest = new Cheapest(layout, open, most)
      const plain = new PlainCosts(layout, open)
      for (const [which, host, kind] of changes) {
        const demand = which % layout.demands
        if (kind === 9) {
          cheapest.refresh()
          plain.refresh()
        } else if (kind > 4) {
          const [from, to] = [layout.first[demand]!, host % layout.hosts]
          if (layout.second[demand]! >= 0) continue
          layout.place(demand, to, -1)
          for (const each of [from, to]) {
            cheapest.renew(each)
            plain.renew(each)
          }
        }
        const isSecond = kind % 2 === 0
        t.deepEqual([...cheapest.of(demand, isSecond)], plain.of(demand, isSecond))
      }
    })
  )
})

test('of all hosts for a second seat the one with the least score is taken', t => {
  fc.assert(
    fc.property(problems, fc.nat(1000), (problem, which) => {
      const layout = new Layout(problem)
      const demand = which % layout.demands
      const [first, second] = [layout.first[demand]!, layout.second[demand]!]
      if (second < 0) return
      layout.place(demand, first, -1)
      const hosts = Int32Array.from(layout.open.keys()).filter(host => layout.open[host] === 1)
      const look = { except: -1, below: Infinity, forced: true }
      const found = bestSecond(layout, demand, { ...look, hosts })
      for (const host of hosts) {
        const { score } = bestSecond(layout, demand, { ...look, hosts: Int32Array.of(host) })
        t.true(found.score < score + 1e-9)
      }
      if (found.host < 0) return
      layout.place(demand, first, found.host)
      t.true(Math.abs(layout.score - found.score) < 1e-9)
    })
  )
})

/** The same costs without rows: each host as it was when it was told of last. */
class PlainCosts {
  readonly #layout: Layout
  readonly #open: Int32Array
  readonly #slopes: number[] = []
  readonly #costs = new Map<number, (amounts: readonly number[]) => number>()

  constructor(layout: Layout, open: Int32Array) {
    this.#layout = layout
    this.#open = open
    this.refresh()
  }

  refresh(): void {
    const { dimensions, weight, sum, square, openHosts } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const spread = deviation(sum[d]!, square[d]!, openHosts)
      this.#slopes[d] = spread > 0 ? weight[d]! / spread : 0
    }
    for (const host of this.#open) this.renew(host)
  }

  renew(host: number): void {
    const { dimensions, scale, value, sum, openHosts } = this.#layout
    const terms = this.#slopes.map((slope, d) => {
      const cell = host * dimensions + d
      const steep = slope * scale[cell]!
      return [2 * steep * (value[cell]! - sum[d]! / openHosts), steep * scale[cell]!] as const
    })
    this.#costs.set(host, amounts =>
      terms.reduce((all, [rise, bend], d) => all + amounts[d]! * (rise + amounts[d]! * bend), 0)
    )
  }

  of(demand: number, asSecond: boolean): readonly number[] {
    const { dimensions, amount, both } = this.#layout
    if (this.#open.length <= most) return [...this.#open]
    const amounts = this.#slopes.map((_, d) =>
      asSecond && both[d] === 0 ? 0 : amount[demand * dimensions + d]!
    )
    const costs = new Map([...this.#open].map(host => [host, this.#costs.get(host)!(amounts)]))
    return [...costs.keys()].sort((a, b) => costs.get(a)! - costs.get(b)!).slice(0, most)
  }
}
