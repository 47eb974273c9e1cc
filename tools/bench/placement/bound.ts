/**
 * A score that no placement of the same demands on the same hosts can come below. Each dimension
 * is taken alone: its amounts are multiples of some unit, so its total is so many units, and these
 * are spread over the hosts as evenly as whole units go, whatever demands they belong to. Clashes
 * and what is kept in reserve are counted as nothing, so the bound holds for them too.
 */
import type { Dimension, Problem } from '../../../controller/core/engine/problem.ts'

/** How many centres are tried for each dimension. */
const centres = 41

/** The bound for a problem without pairs. */
export function boundOf(problem: Problem): number {
  const hosts = Array.from(problem.open).flatMap((isOpen, host) => (isOpen ? [host] : []))
  return problem.dimensions.reduce(
    (sum, dimension) => sum + dimension.weight * deviationBound(dimension, hosts),
    0
  )
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b))

/**
 * The least deviation is the least root mean square distance from any centre. For one centre the
 * hosts are independent, and adding a unit where it costs least, or taking one away where it gains
 * most, ends at the best split; between two centres the distance changes by at most their gap.
 */
function deviationBound(dimension: Dimension, hosts: readonly number[]): number {
  const amounts = Array.from(dimension.amount)
  const unit = amounts.reduce(commonDivisor, 0)
  const units = amounts.reduce((sum, amount) => sum + amount, 0) / unit
  const start = hosts.map(host => dimension.taken[host]! / dimension.capacity[host]!)
  const step = hosts.map(host => unit / dimension.capacity[host]!)
  const even =
    (units + sumOf(start.map((share, k) => share / step[k]!))) / sumOf(step.map(each => 1 / each))
  const reach = Math.max(...step)
  let least = Infinity
  for (let index = 0; index < centres; index += 1) {
    const centre = even + ((2 * index) / (centres - 1) - 1) * reach
    least = Math.min(least, distance({ start, step, units, centre }))
  }
  const gap = reach / (centres - 1)
  return Math.sqrt(Math.max(0, least - gap * gap))
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0)

type Split = {
  readonly start: readonly number[]
  readonly step: readonly number[]
  readonly units: number
  readonly centre: number
}

/** The mean square distance from a centre with the best split. */
function distance({ start, step, units, centre }: Split): number {
  const counts = start.map((share, k) => Math.max(0, Math.round((centre - share) / step[k]!)))
  const off = (k: number, count: number): number => (start[k]! + step[k]! * count - centre) ** 2
  let missing = units - sumOf(counts)
  while (missing !== 0) {
    const change = Math.sign(missing)
    let [best, bestCost] = [-1, Infinity]
    for (let k = 0; k < counts.length; k += 1) {
      if (counts[k]! + change < 0) continue
      const cost = off(k, counts[k]! + change) - off(k, counts[k]!)
      if (cost < bestCost) [best, bestCost] = [k, cost]
    }
    counts[best]! += change
    missing -= change
  }
  return sumOf(counts.map((count, k) => off(k, count))) / counts.length
}
