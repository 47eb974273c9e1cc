/**
 * A plan that levels the hosts by live moves. The engine proposes; here each move is judged in its
 * turn by every rule of placement, with the room that those before it have taken and left, and all
 * together by the reserve for losses. What is refused stays where it is, and the engine is asked
 * again without it.
 *
 * A move must earn its price as well: the longer it takes, the more (see move-price.ts).
 *
 * Of each group of instances that are to be apart or together at most one moves in a plan: where
 * the others are is known for certain then.
 */
import type { Instance } from '#shared/model/instance.ts'
import type { Change } from '../commit.ts'
import type { Candidate } from '../placement/pipeline.ts'
import type { Moment, View } from '../view.ts'
import { type BalanceGround, balanceGround } from './ground.ts'
import { groupKeys, movedTo, shift, whyGrouped, whyHarmful, whyRefused } from './judging.ts'
import { earning, type MovePrice, minuteGainElse, movePrice } from './move-price.ts'
import { type BalanceEffort, type Proposal, unevenness } from './search.ts'

/** How often the engine is asked again without what was refused. */
const roundsMax = 8

/** One move of a plan. */
export type BalanceStep = {
  readonly instance: Instance
  readonly from: string
  readonly to: string
  /** How uneven the hosts are once it is made. */
  readonly score: number
  readonly price: MovePrice
}

/** Moves in the order in which they are to be made. */
export type BalancePlan = {
  readonly before: number
  readonly after: number
  readonly steps: readonly BalanceStep[]
  /** What could not be moved as proposed, and why. */
  readonly refused: readonly { readonly instance: Instance; readonly because: string }[]
  readonly ground: BalanceGround
  /** Names of hosts that nothing runs on any more then; of a plan that levels: none. */
  readonly emptied: readonly string[]
}

/** What the engine is asked. */
export type BalanceQuestion = {
  readonly problem: BalanceGround['problem']
  readonly effort: BalanceEffort
}

/** How a plan is made. */
export type PlanOptions = {
  readonly now: () => Moment
  readonly effort: BalanceEffort
  /** What every minute that a move takes must gain; left out: what is usual. Unit: unevenness. */
  readonly minuteGain?: number | undefined
}

/**
 * Plans on the view as it is after each answer of the engine: it yields what is asked, whoever runs
 * it gives the answer.
 */
export function* planBalance(
  view: View,
  options: PlanOptions
): Generator<BalanceQuestion, BalancePlan, Proposal> {
  const { now, effort, minuteGain = minuteGainElse } = options
  const kept = new Map<string, string>()
  for (let round = 1; ; round += 1) {
    const ground = balanceGround(view, now(), kept)
    const { before, steps } = yield { problem: ground.problem, effort }
    const judged = judge(view, { ground, before, steps, minuteGain }, now())
    const { refused } = judged
    for (const { instance, because } of refused) kept.set(instance.id, because)
    if (refused.length > 0 && round < roundsMax) continue
    const all = [...kept].flatMap(([id, because]) => {
      const instance = view.get('instance', id)
      return instance ? [{ instance, because }] : []
    })
    const last = judged.steps.at(-1)?.score ?? before
    const after = refused.length === 0 ? last : judged.after()
    return { before, after, steps: judged.steps, refused: all, ground, emptied: [] }
  }
}

type Proposed = Proposal & { readonly ground: BalanceGround; readonly minuteGain: number }

/** Takes the moves that all rules allow, one after another. */
function judge(
  view: View,
  proposed: Proposed,
  now: Moment
): Pick<BalancePlan, 'steps' | 'refused'> & { readonly after: () => number } {
  const { ground, steps } = proposed
  const { hosts, instances, problem } = ground
  const prices = pricesOf(view, proposed)
  const rooms = new Map<string, Candidate>()
  const seats = Array.from(problem.first)
  const groupsMoved = new Set<string>()
  const taken: BalanceStep[] = []
  const changes: Change[] = []
  const refused: BalancePlan['refused'][number][] = []
  for (const [at, { demand, to: number, score }] of steps.entries()) {
    const instance = view.get('instance', instances[demand]!.id)
    const [from, to] = [hosts[seats[demand]!]!.name, hosts[number]!.name]
    // What has changed while the engine thought stays where it is.
    if (
      !instance ||
      instance.decided.moving ||
      instance.decided.host !== instances[demand]!.decided.host
    )
      continue
    const move = { instance, from, to }
    const { price, unearned } = prices[at]!
    const because =
      unearned ??
      whyGrouped(instance, groupsMoved) ??
      whyRefused(view, { ...move, rooms }, now) ??
      whyHarmful(view, { ...move, changes }, now)
    if (because !== undefined) {
      refused.push({ instance, because })
      continue
    }
    seats[demand] = number
    for (const key of groupKeys(instance)) groupsMoved.add(key)
    shift(view, { ...move, rooms }, now)
    changes.push(movedTo(instance, to))
    taken.push({ ...move, score, price })
  }
  return { steps: taken, refused, after: () => unevenness({ ...problem, first: seats }) }
}

/** What each step costs, and why it is not worth that; undefined: it is. */
function pricesOf(
  view: View,
  { ground, before, steps, minuteGain }: Proposed
): readonly { readonly price: MovePrice; readonly unearned: string | undefined }[] {
  const { hosts, instances, problem } = ground
  const seats = Array.from(problem.first)
  let score = before
  const priced = steps.map(step => {
    const [from, to] = [hosts[seats[step.demand]!]!.name, hosts[step.to]!.name]
    const price = movePrice(view, { instance: instances[step.demand]!, from, to }, minuteGain)
    const gain = score - step.score
    score = step.score
    seats[step.demand] = step.to
    return { price, gain }
  })
  const earns = earning(priced.map(({ gain, price }) => ({ gain, price: price.price })))
  return priced.map(({ gain, price }, at) => {
    const takes = `its move takes ${Math.ceil(price.seconds)} s (${price.because})`
    const unearned =
      `${takes} and would gain ${gain.toFixed(4)}, less than the ` +
      `${price.price.toFixed(4)} that so long a move must gain`
    return { price, unearned: earns[at] ? undefined : unearned }
  })
}
