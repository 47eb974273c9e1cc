import test from 'ava'
import fc from 'fast-check'
import { Layout } from '../../../../controller/core/engine/layout.ts'
import { LossPlans } from '../../../../controller/core/engine/loss-plans.ts'
import { problems } from './problems.ts'

const changes = fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: -1, max: 7 })), {
  maxLength: 30
})

test('after each change every loss has a plan that all hosts have room for', t => {
  fc.assert(
    fc.property(problems, changes, (problem, moves) => {
      const layout = new Layout(problem)
      const plans = new LossPlans(layout)
      t.deepEqual(faultsIn(layout, plans), [])
      for (const [which, host] of moves) {
        change(layout, plans, which % layout.demands, host < 0 ? -1 : host % layout.hosts)
        t.deepEqual(faultsIn(layout, plans), [])
      }
    })
  )
})

test('nobody counts on a host that is closed', t => {
  fc.assert(
    fc.property(problems, fc.nat(1000), (problem, which) => {
      const layout = new Layout(problem)
      const plans = new LossPlans(layout)
      layout.setOpen(which % layout.hosts, false)
      plans.followHost(which % layout.hosts)
      t.deepEqual(faultsIn(layout, plans), [])
    })
  )
})

test('the same changes give the same plans', t => {
  fc.assert(
    fc.property(problems, changes, (problem, moves) => {
      const [one, other] = [0, 1].map(() => {
        const layout = new Layout(problem)
        const plans = new LossPlans(layout)
        for (const [which, host] of moves) {
          change(layout, plans, which % layout.demands, host < 0 ? -1 : host % layout.hosts)
        }
        return Array.from(plans.target)
      })
      t.deepEqual(one, other)
    })
  )
})

/** Moves a demand; a pair's second seat only gives way when it must. */
function change(layout: Layout, plans: LossPlans, demand: number, host: number): void {
  const second = layout.second[demand]!
  const evades = second >= 0 && second === host
  layout.place(demand, host, evades ? (host + 1) % layout.hosts : second)
  plans.follow(demand)
}

/** What is wrong with the plans. */
function faultsIn(layout: Layout, plans: LossPlans): readonly string[] {
  const { problem, hosts, demands, first, second } = layout
  const faults: string[] = []
  let stranded = 0
  for (let demand = 0; demand < demands; demand += 1) {
    const target = plans.target[demand]!
    if (first[demand]! < 0 && target >= 0) faults.push(`${demand} has no seat, but a plan`)
    if (first[demand]! < 0) continue
    if (target < 0) stranded += 1
    else if (target === first[demand] || !layout.open[target]) faults.push(`${demand}: ${target}`)
    else if (second[demand]! >= 0 && target !== second[demand])
      faults.push(`${demand} leaves its copy`)
  }
  if (stranded !== plans.stranded) faults.push(`${stranded} stranded, it says ${plans.stranded}`)
  for (let lost = 0; lost < hosts; lost += 1) {
    for (const [d, { both, hard, amount, limit, name }] of problem.dimensions.entries()) {
      if (!hard) continue
      for (let host = 0; host < hosts; host += 1) {
        const coming = plans
          .of(lost)
          .filter(({ demand, target }) => target === host && !(both && second[demand] === host))
          .reduce((sum, { demand }) => sum + amount[demand]!, 0)
        const after = layout.used[host * layout.dimensions + d]! + coming
        if (coming > 0 && after > limit[host]!)
          faults.push(`${name} of ${host} when ${lost} is lost`)
      }
    }
  }
  return faults
}
