/**
 * How many more demands of one size a cloud could take at most, so that the loss of any one host is
 * survived. `loose`: free memory alone is added up. `tight`: a host holds only whole ones of the
 * size, and those there already that are larger, or that fill no remainder, take whole ones away;
 * it is exact where sizes divide each other.
 */
import type { Problem } from '../../../controller/core/engine/problem.ts'

/** Bounds by the dimension that is never exceeded. */
export function capacityBounds(
  problem: Problem,
  amounts: readonly number[]
): { readonly loose: number; readonly tight: number } {
  const hosts = problem.open.length
  const memory = problem.dimensions.findIndex(({ hard }) => hard)
  const size = amounts[memory]!
  const free = problem.dimensions.map(({ limit, taken }) =>
    Array.from({ length: hosts }, (_, host) => limit[host]! - taken[host]!)
  )
  const residents: number[][] = Array.from({ length: hosts }, () => [])
  for (let demand = 0; demand < problem.first.length; demand += 1) {
    const host = problem.first[demand]!
    for (const [d, each] of problem.dimensions.entries()) free[d]![host]! -= each.amount[demand]!
    residents[host]!.push(problem.dimensions[memory]!.amount[demand]!)
  }
  const whole = free[memory]!.map(room => Math.max(0, Math.floor(room / size)))
  const plain = sum(
    whole.map((count, host) =>
      Math.min(count, ...free.map((rooms, d) => wholesOf(rooms[host]!, amounts[d]!)))
    )
  )
  const total = sum(free[memory]!)
  let [loose, tight] = [plain, plain]
  for (let host = 0; host < hosts; host += 1) {
    const need = sum(residents[host]!)
    loose = Math.min(loose, Math.floor((total - free[memory]![host]! - need) / size))
    const remainders = free[memory]!.filter((_, other) => other !== host).map(room => room % size)
    const slots = sum(whole) - whole[host]! - slotsOf(residents[host]!, remainders, size)
    tight = Math.min(tight, slots)
  }
  return { loose, tight }
}

/** Whole rooms of a size that these take, once the small ones have filled the remainders. */
function slotsOf(amounts: readonly number[], remainders: number[], size: number): number {
  let [slots, rest] = [0, 0]
  for (const amount of amounts.toSorted((a, b) => b - a)) {
    if (amount >= size) {
      slots += Math.floor(amount / size)
      continue
    }
    const at = remainders.findIndex(room => room >= amount)
    if (at >= 0) remainders[at]! -= amount
    else rest += amount
  }
  return slots + Math.ceil(rest / size)
}

const wholesOf = (room: number, amount: number): number =>
  amount === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.floor(room / amount))

const sum = (values: readonly number[]): number => values.reduce((all, each) => all + each, 0)
