/**
 * What is large and small in a problem, so that no heat, price or bonus needs a number of its own
 * for each: what an average process uses and costs, how many sit on a machine, and how many could
 * come from elsewhere.
 */
import type { Reassignment } from './problem.ts'

/** The scales of a problem. */
export type Scales = {
  /** By resource: units of an average process. */
  readonly units: Float64Array
  /** What all of an average process costs where machines are full. */
  readonly fullLoad: number
  /** Processes on a machine, for each ten. */
  readonly crowd: number
  /** How many average processes a machine could take besides its own, where that is least. */
  readonly visitors: number
  /** By process: what the room for visitors that it would hold counts, 1 for an average one. */
  readonly room: Float64Array
  /** All processes, the one that costs most where machines are full first. */
  readonly bySize: Int32Array
}

const fewOnMachine = 10
/** A process that takes very much room has hardly anywhere to go: more of a bonus is of no use. */
const roomMost = 4
/** From this crowd on that is not so. */
const dense = 10

/** Reckons the scales of a problem. */
export function scalesOf(problem: Reassignment): Scales {
  const units = averages(problem)
  const load = units.reduce((all, each, r) => all + each * problem.loadWeight[r]!, 0)
  const crowd = Math.max(1, problem.processes / problem.machines / fewOnMachine)
  return {
    units,
    fullLoad: Math.max(1, load),
    crowd,
    visitors: visitorsOf(problem, units),
    room: summed(problem, roomWeights(problem, units)).map(each => weighed(each, crowd)),
    bySize: bySize(problem)
  }
}

/**
 * Among many on a machine heats are so low that what has filled the machine of a large process
 * never lets it return. So the room that it would hold counts more than in proportion there:
 * small ones fill first what large ones could.
 */
function weighed(room: number, crowd: number): number {
  return crowd < dense ? Math.min(roomMost, room) : Math.max(room, room * room)
}

function averages({ demand, processes, resources }: Reassignment): Float64Array {
  const units = new Float64Array(resources)
  for (let i = 0; i < demand.length; i += 1) units[i % resources]! += demand[i]!
  return units.map(each => each / Math.max(1, processes))
}

/** What moved processes hold at home is not given back: the rest is all that visitors can use. */
function visitorsOf(
  { capacity, machines, processes, resources, transient }: Reassignment,
  units: Float64Array
): number {
  const all = new Float64Array(resources)
  for (let k = 0; k < capacity.length; k += 1) all[k % resources]! += capacity[k]!
  const counts = all.map((each, r) =>
    transient[r] === 1 && units[r]! > 0
      ? (each / units[r]! - processes) / machines
      : Number.POSITIVE_INFINITY
  )
  return counts.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY)
}

function roomWeights({ transient }: Reassignment, units: Float64Array): Float64Array {
  const kinds = transient.reduce((sum, each) => sum + each, 0)
  return units.map((each, r) => (transient[r] === 1 && each > 0 ? 1 / each / kinds : 0))
}

function bySize(problem: Reassignment): Int32Array {
  const size = summed(problem, problem.loadWeight)
  const order = Int32Array.from(size, (_, process) => process)
  return order.sort((one, other) => size[other]! - size[one]! || one - other)
}

function summed(
  { demand, processes, resources }: Reassignment,
  weights: Float64Array
): Float64Array {
  const sums = new Float64Array(processes)
  for (let k = 0; k < demand.length; k += 1) {
    sums[Math.floor(k / resources)]! += weights[k % resources]! * demand[k]!
  }
  return sums
}
