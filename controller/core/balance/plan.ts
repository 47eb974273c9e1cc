/**
 * A plan that levels the hosts by live moves. The engine proposes; here each move is judged in its
 * turn by every rule of placement, with the room that those before it have taken and left, and all
 * together by the reserve for losses. What is refused stays where it is, and the engine is asked
 * again without it.
 *
 * Of each group of instances that are to be apart or together at most one moves in a plan: where
 * the others are is known for certain then.
 */
import type { Instance } from '#shared/model/instance.ts'
import { demandOfMove, rulesOfMove } from '../admission/instance-move.ts'
import type { Change } from '../commit.ts'
import { candidateOf } from '../placement/candidates.ts'
import { type Candidate, place } from '../placement/pipeline.ts'
import { harmOf, harmSentence } from '../reserve/promise.ts'
import type { Moment, View } from '../view.ts'
import { type BalanceGround, balanceGround } from './ground.ts'
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
}

/** Moves in the order in which they are to be made. */
export type BalancePlan = {
  readonly before: number
  readonly after: number
  readonly steps: readonly BalanceStep[]
  /** What could not be moved as proposed, and why. */
  readonly refused: readonly { readonly instance: Instance; readonly because: string }[]
  readonly ground: BalanceGround
}

/** What the engine is asked. */
export type BalanceQuestion = {
  readonly problem: BalanceGround['problem']
  readonly effort: BalanceEffort
}

/**
 * Plans on the view as it is after each answer of the engine: it yields what is asked, whoever runs
 * it gives the answer.
 */
export function* planBalance(
  view: View,
  options: { readonly now: () => Moment; readonly effort: BalanceEffort }
): Generator<BalanceQuestion, BalancePlan, Proposal> {
  const { now, effort } = options
  const kept = new Map<string, string>()
  for (let round = 1; ; round += 1) {
    const ground = balanceGround(view, now(), kept)
    const { before, steps } = yield { problem: ground.problem, effort }
    const judged = judge(view, { ground, steps }, now())
    const { refused } = judged
    for (const { instance, because } of refused) kept.set(instance.id, because)
    if (refused.length > 0 && round < roundsMax) continue
    const all = [...kept].flatMap(([id, because]) => {
      const instance = view.get('instance', id)
      return instance ? [{ instance, because }] : []
    })
    const last = judged.steps.at(-1)?.score ?? before
    const after = refused.length === 0 ? last : judged.after()
    return { before, after, steps: judged.steps, refused: all, ground }
  }
}

type Proposed = { readonly ground: BalanceGround; readonly steps: Proposal['steps'] }

/** Takes the moves that all rules allow, one after another. */
function judge(
  view: View,
  { ground, steps }: Proposed,
  now: Moment
): Pick<BalancePlan, 'steps' | 'refused'> & { readonly after: () => number } {
  const { hosts, instances, problem } = ground
  const rooms = new Map<string, Candidate>()
  const seats = Array.from(problem.first)
  const groupsMoved = new Set<string>()
  const taken: BalanceStep[] = []
  const changes: Change[] = []
  const refused: BalancePlan['refused'][number][] = []
  for (const { demand, to: number, score } of steps) {
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
    const because =
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
    taken.push({ ...move, score })
  }
  return { steps: taken, refused, after: () => unevenness({ ...problem, first: seats }) }
}

type Move = { readonly instance: Instance; readonly from: string; readonly to: string }

const groupKeys = ({ spec, tenant }: Instance): readonly string[] =>
  (spec.affinity ?? []).map(({ group }) => `${tenant}/${group}`)

function whyGrouped(instance: Instance, moved: ReadonlySet<string>): string | undefined {
  const key = groupKeys(instance).find(each => moved.has(each))
  return key && `another one of its group ${key.split('/').at(-1)} moves in the same plan`
}

type Rooms = { readonly rooms: Map<string, Candidate> }

function roomOf(view: View, rooms: Map<string, Candidate>, name: string, now: Moment): Candidate {
  const known = rooms.get(name) ?? candidateOf(view, view.named('host', name)!, now.monotonic)
  rooms.set(name, known)
  return known
}

/** Why the rules of placement do not let it go there, with the room that is left by then. */
function whyRefused(view: View, move: Move & Rooms, now: Moment): string | undefined {
  const { instance, from, to, rooms } = move
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const about = { instance, volumes, host: from, live: true }
  const candidate = roomOf(view, rooms, to, now)
  const { chosen, rejected } = place(
    demandOfMove(view, about),
    [candidate],
    rulesOfMove(view, about)
  )
  return chosen ? undefined : `${to}: ${rejected.get(to) ?? 'cannot take it'}`
}

/** Which loss the moves up to this one would make worse. */
function whyHarmful(
  view: View,
  { instance, to, changes }: Move & { readonly changes: readonly Change[] },
  now: Moment
): string | undefined {
  const harm = harmOf(view, [...changes, movedTo(instance, to)], now)
  return harm && harmSentence(harm)
}

const movedTo = (instance: Instance, to: string): Change => ({
  op: 'put',
  resource: { ...instance, decided: { ...instance.decided, host: to } }
})

/** Notes that a move has been made: the one host has less room, the other one more. */
function shift(view: View, { instance, from, to, rooms }: Move & Rooms, now: Moment): void {
  for (const [name, sign] of [
    [from, -1],
    [to, 1]
  ] as const) {
    const candidate = roomOf(view, rooms, name, now)
    const { capacity } = candidate
    if (!capacity) continue
    const { memoryMib, vcpus } = instance.decided
    const after = {
      ...capacity,
      memoryPromisedMib: capacity.memoryPromisedMib + sign * memoryMib,
      vcpusPromised: capacity.vcpusPromised + sign * vcpus
    }
    rooms.set(name, { ...candidate, capacity: after })
  }
}
