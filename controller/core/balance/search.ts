/** What the engine proposes for a problem of balancing, as data that can cross threads. */
import { descend } from '../engine/descent.ts'
import { Layout } from '../engine/layout.ts'
import type { Problem } from '../engine/problem.ts'
import { refine } from '../engine/refine.ts'

/** How far it goes. */
export type BalanceEffort = {
  /** The most moves. */
  readonly movesMax: number
  /** What a move must gain at least: the price of moving something at all. */
  readonly gainMin: number
  /** Changes that are tried where single moves get stuck; 0: none. */
  readonly trials: number
  readonly seed: number
}

/** Moves in an order in which each is allowed, with the score once it is made. */
export type Proposal = {
  readonly before: number
  readonly steps: readonly {
    readonly demand: number
    readonly to: number
    readonly score: number
  }[]
}

/** Looks for moves that level the hosts. */
export function propose(problem: Problem, effort: BalanceEffort): Proposal {
  const { movesMax, gainMin, trials, seed } = effort
  const layout = new Layout(problem)
  const before = layout.score
  const from = Int32Array.from(layout.first)
  const until = { movesMax, gainMin, contentAt: Number.POSITIVE_INFINITY }
  const single = descend(layout, until)
  const refined = trials > 0 && refine(layout, from, { movesMax, trials, seed })
  const steps = refined && refined.length <= movesMax ? refined : single
  return {
    before,
    steps: steps.map(({ demand, first, score }) => ({ demand, to: first, score }))
  }
}

/** How uneven the hosts are: 0 when the same share of each is promised. */
export const unevenness = (problem: Problem): number => new Layout(problem).score
