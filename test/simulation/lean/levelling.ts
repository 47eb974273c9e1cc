/** The hosts are levelled, by the plan of the product; the real one thinks in its own thread. */
import { beginBalance } from '../../../controller/core/balance/admission.ts'
import { planBalance } from '../../../controller/core/balance/plan.ts'
import { propose } from '../../../controller/core/balance/search.ts'
import type { Refusal } from '../../../controller/core/refusal.ts'
import type { LeanController } from './controller.ts'

const effort = { movesMax: 6, gainMin: 0.001, trials: 0, seed: 1 }

/** Begins it, if it may be and there is anything to gain; gives why it is refused. */
export function level(leader: LeanController): Refusal | undefined {
  const { view } = leader
  const planning = planBalance(view, { now: () => leader.now, effort })
  let step = planning.next()
  while (!step.done) step = planning.next(propose(step.value.problem, step.value.effort))
  const wish = { plan: step.value, parallel: 2 }
  return leader.submit(beginBalance(view, wish, leader.contextOf('user/admin')))
}
