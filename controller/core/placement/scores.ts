/**
 * Scores order the hosts that can take an instance. Each gives a value between -1 and 1, 0 where it
 * has nothing to say, and counts as much as its weight. What a host comes to is the sum, and each
 * part of it can be shown.
 *
 * They choose for new instances alone. What moves, and what has lost its host, goes by free memory:
 * that is what the reserve has planned with, and its promise is worth only as much as the plan.
 */
import { domainOf } from '../groups.ts'
import type { Candidate, Demand, Score } from './pipeline.ts'
import { scoreFreeMemory } from './score-free-memory.ts'
import { scoreScarcity } from './score-scarcity.ts'
import { type ScoreName, scoreNames, type Weights } from './weights.ts'

/** One part of what a host comes to. */
export type Contribution = {
  readonly name: ScoreName
  readonly weight: number
  /** Between -1 and 1; times the weight it is what this part adds. */
  readonly value: number
}

const scores: Readonly<Record<ScoreName, Score>> = {
  memory: scoreFreeMemory,
  cpu: ({ capacity }) =>
    capacity && capacity.vcpus > 0 ? 1 - capacity.vcpusPromised / capacity.vcpus : 0,
  memoryMeasured: ({ facts, memoryFreeMib }) =>
    facts && facts.memoryMib > 0 ? Math.min(1, memoryFreeMib / facts.memoryMib) : 0,
  cpuMeasured: ({ use }) => idleOf(use?.cpu),
  disk: ({ poolShares }, { pools }) => {
    let least = 1
    for (const pool of pools.keys()) least = Math.min(least, poolShares.get(pool) ?? 0)
    return pools.size === 0 ? 0 : least
  },
  diskMeasured: ({ use }) => idleOf(use?.disk),
  networkMeasured: ({ use }) => idleOf(use?.network),
  scarcity: scoreScarcity,
  softAffinity: (candidate, demand) => meanOf(demand, 'soft', candidate),
  spread: (candidate, demand) => meanOf(demand, 'spread', candidate),
  imageCached: ({ images }, { imageIds }) =>
    imageIds?.some(id => images.has(id)) === true ? 1 : 0,
  packing: ({ capacity }) =>
    capacity && capacity.memoryMib > 0
      ? Math.min(1, capacity.memoryPromisedMib / capacity.memoryMib)
      : 0
}

/** What is not used. A host that has not said it counts as busy: others are known to be less so. */
const idleOf = (used: number | undefined): number => (used === undefined ? 0 : 1 - used)

/** The mean over the rules that a score is about. */
function meanOf({ groups }: Demand, about: 'soft' | 'spread', { host }: Candidate): number {
  if (groups === undefined) return 0
  let [sum, count] = [0, 0]
  for (const { rule, spread } of groups) {
    if (about === 'soft' ? rule.hard : rule.rule !== 'apart') continue
    const domain = domainOf(host, rule.level)
    const { counts } = spread()
    let all = 0
    for (const one of counts.values()) all += one
    const here = domain === undefined ? 0 : (counts.get(domain) ?? 0)
    const share = all === 0 ? 0 : here / all
    count += 1
    if (about === 'spread') sum -= share
    else if (rule.rule === 'with') sum += share
    else if (here >= rule.max) sum -= 1
  }
  return count === 0 ? 0 : sum / count
}

/** What a host comes to for an instance, part by part; parts that count nothing are left out. */
export function contributionsOf(
  candidate: Candidate,
  demand: Demand,
  weights: Weights
): readonly Contribution[] {
  return scoreNames
    .filter(name => weights[name] !== 0)
    .map(name => ({ name, weight: weights[name], value: scores[name](candidate, demand) }))
}

/** The sum of the parts. */
export const totalOf = (parts: readonly Contribution[]): number =>
  parts.reduce((sum, { weight, value }) => sum + weight * value, 0)

/** The score by some weights; scores of no weight are not worked out. */
export function scoreBy(weights: Weights): Score {
  const counted = scoreNames.filter(name => weights[name] !== 0)
  return (candidate, demand) => {
    let sum = 0
    for (const name of counted) sum += weights[name] * scores[name](candidate, demand)
    return sum
  }
}

/** The parts in words, such as "memory 61.2, spread -25". */
export const wordsOf = (parts: readonly Contribution[]): string =>
  parts
    .filter(({ value }) => value !== 0)
    .map(({ name, weight, value }) => `${name} ${rounded(weight * value)}`)
    .join(', ') || 'nothing counts'

/** A tenth is as much as anybody reads. */
export const rounded = (value: number): number => Math.round(value * 10) / 10
