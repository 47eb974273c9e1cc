/** The score by its definition, and the rules of a move: slow, plain, without the engine's sums. */
import type { Move, Problem } from '../../../../controller/core/engine/problem.ts'

/** Who sits where. */
export type Seats = { readonly first: ArrayLike<number>; readonly second: ArrayLike<number> }

/** The score as problem.ts defines it. */
export function plainScore(problem: Problem, seats: Seats): number {
  const { open, dimensions, closedSeatWeight, closedFirstWeight } = problem
  const hosts = Array.from(open).flatMap((isOpen, host) => (isOpen ? [host] : []))
  let score = clashOf(problem, seats)
  for (const dimension of dimensions) {
    const share = (host: number) =>
      takenAt(problem, seats, host, dimension) / dimension.capacity[host]!
    score += dimension.weight * deviationOf(hosts.map(share))
  }
  for (let demand = 0; demand < seats.first.length; demand += 1) {
    const [first, second] = [seats.first[demand]!, seats.second[demand]!]
    if (first >= 0 && !open[first]) score += closedSeatWeight + closedFirstWeight
    if (second >= 0 && !open[second]) score += closedSeatWeight
  }
  const { reserve } = problem
  if (!reserve) return score
  const capacity = dimensions[reserve.dimension]!.capacity
  const shares = hosts.map(host => keptAt(problem, seats, host) / capacity[host]!)
  const short = hosts.filter(host => isShort(problem, seats, host))
  const seatsShort = short.reduce((sum, host) => sum + seatsAt(seats, host), 0)
  score += reserve.deviationWeight * deviationOf(shares) + reserve.shortWeight * seatsShort
  return score + reserve.sumWeight * shares.reduce((sum, share) => sum + share, 0)
}

/** Why a move is against the rules, or undefined. */
export function objectionTo(problem: Problem, seats: Seats, move: Move): string | undefined {
  const { demand, first, second } = move
  const { open, fixed, dimensions, levels, groups, reserve } = problem
  const [oldFirst, oldSecond] = [seats.first[demand]!, seats.second[demand]!]
  if (fixed[demand]) return 'it is fixed'
  if (first === second || first < 0 || second >= 0 !== oldSecond >= 0) return 'no such seats'
  if (first !== oldFirst && !open[first]) return 'first seat on a closed host'
  const forced = !open[oldFirst] || (oldSecond >= 0 && !open[oldSecond])
  const after = moved(seats, move)
  for (const host of [first, second]) {
    if (host < 0 || (host === oldFirst && host === first)) continue
    for (const dimension of dimensions) {
      if (forced && !dimension.hard) continue
      const grows =
        takenAt(problem, after, host, dimension) > takenAt(problem, seats, host, dimension)
      if (grows && takenAt(problem, after, host, dimension) > dimension.limit[host]!) {
        return `${dimension.name} beyond its limit at ${host}`
      }
    }
    const turnsShort = isShort(problem, after, host) && !isShort(problem, seats, host)
    if (reserve && !forced && turnsShort) return `${host} becomes short of its reserve`
  }
  if (forced || first === oldFirst) return undefined
  for (const { domain, forbids } of levels) {
    if (!forbids) continue
    for (const group of groups[demand]!) {
      const other = groups.findIndex(
        (each, number) =>
          number !== demand &&
          each.includes(group) &&
          domain[seats.first[number]!] === domain[first]
      )
      if (other >= 0) return `${other} of its group sits at ${first}`
    }
  }
  return undefined
}

/** The seats after a move. */
export function moved(seats: Seats, { demand, first, second }: Move): Seats {
  const after = { first: Array.from(seats.first), second: Array.from(seats.second) }
  after.first[demand] = first
  after.second[demand] = second
  return after
}

function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}

type Dimension = Problem['dimensions'][number]

function takenAt(problem: Problem, seats: Seats, host: number, dimension: Dimension): number {
  let taken = dimension.taken[host]!
  for (let demand = 0; demand < problem.first.length; demand += 1) {
    if (seats.first[demand] === host) taken += dimension.amount[demand]!
    if (seats.second[demand] === host && dimension.both) taken += dimension.amount[demand]!
  }
  return taken
}

function keptAt(problem: Problem, seats: Seats, host: number): number {
  const { reserve, dimensions } = problem
  const peers = new Map<number, number>()
  for (let demand = 0; demand < problem.first.length; demand += 1) {
    if (seats.second[demand] !== host || seats.first[demand]! < 0) continue
    if (!reserve!.counted[demand]) continue
    const amount = dimensions[reserve!.dimension]!.amount[demand]!
    peers.set(seats.first[demand]!, (peers.get(seats.first[demand]!) ?? 0) + amount)
  }
  return Math.max(0, ...peers.values())
}

function isShort(problem: Problem, seats: Seats, host: number): boolean {
  if (!problem.reserve) return false
  const dimension = problem.dimensions[problem.reserve.dimension]!
  const free = dimension.limit[host]! - takenAt(problem, seats, host, dimension)
  return free < keptAt(problem, seats, host)
}

const seatsAt = ({ first, second }: Seats, host: number): number =>
  Array.from(first).filter(each => each === host).length +
  Array.from(second).filter(each => each === host).length

function clashOf(problem: Problem, { first, second }: Seats): number {
  let clash = 0
  for (const { domain, clashWeight, pairWeight } of problem.levels) {
    const seen = new Set<string>()
    for (let demand = 0; demand < first.length; demand += 1) {
      const host = first[demand]!
      if (host < 0 || domain[host]! < 0) continue
      const isPair = second[demand]! >= 0
      if (isPair && domain[second[demand]!] === domain[host]) clash += pairWeight
      if (!problem.open[host]) continue
      for (const group of problem.groups[demand]!) {
        const key = `${domain[host]} ${group}`
        if (seen.has(key)) clash += clashWeight
        seen.add(key)
      }
    }
  }
  return clash
}
