/**
 * Looks for a better reassignment by simulated annealing: a process or two are drawn by lot, and
 * the change is kept when it costs less than a limit that is drawn as well and falls to nothing as
 * the search goes on. The limit is drawn first, so that most changes are given up as soon as they
 * are known to cost more.
 *
 * Capacities may be exceeded meanwhile, at a price that rises as the heat falls, until nothing is
 * exceeded any more. Heat and price are shares of what a process costs on average on machines that
 * are full, so no problem needs numbers of its own. There is no clock: whoever runs it says how far
 * it is, from 0 to 1, and so it may be ended at any time. The same seed and the same steps give the
 * same seats.
 */
import { Best } from './best.ts'
import { Likeness, likes } from './likeness.ts'
import type { Reassignment } from './problem.ts'
import { refused, Seats } from './seats.ts'

/** How a search goes about it; heats and prices are shares of a process's full load. */
export type Way = {
  readonly seed: number
  /** What a change may cost about one time in three, at first and in the end. */
  readonly warmest: number
  readonly coldest: number
  /** What excess as large as an average process costs, at first and when it should be gone. */
  readonly cheapest: number
  readonly dearest: number
}

/** A way that does on most problems. */
export const usualWay: Way = {
  ...{ seed: 1, warmest: 1, coldest: 0.005 },
  ...{ cheapest: 0.2, dearest: 4 }
}

const lots = 4096
/**
 * Heats are as given with so many processes on a machine. Among more there are changes between any
 * two costs, so that a search stays in motion where it is much colder, and too warm above that.
 */
const fewOnMachine = 10
/** From here on capacities are to be kept, and from there on nothing may cost anything. */
const keepFrom = 0.6
const descendFrom = 0.97
/** How much dearer excess would be if it lasted from 0 to 1. */
const dearer = 1e15
const dearestEver = 1e6
/** A new price makes remembered costs stale: so it waits until it differs by so much. */
const priceStep = 0.01

/** A search, with the best allowed seats that it has seen. */
export class Annealing {
  readonly #seats: Seats
  readonly #best: Best
  readonly #problem: Reassignment
  readonly #way: Way
  /** Limits by lot: the logarithm of a chance. */
  readonly #limits: Float64Array
  /** By resource: units of an average process, and what all of it costs where machines are full. */
  readonly #units: Float64Array
  readonly #fullLoad: number
  readonly #likeness: Likeness
  readonly #warmest: number
  readonly #coldest: number
  #surcharge = 1
  #progress = 0
  #price = Number.POSITIVE_INFINITY
  #one: number
  #other: number

  constructor(problem: Reassignment, way: Way, at?: ArrayLike<number>) {
    this.#problem = problem
    this.#way = way
    this.#seats = new Seats(problem, at)
    this.#best = new Best(this.#seats)
    this.#limits = Float64Array.from({ length: lots }, (_, k) => -Math.log((k + 0.5) / lots))
    this.#units = averages(problem)
    const load = this.#units.reduce((all, each, r) => all + each * problem.loadWeight[r]!, 0)
    this.#fullLoad = Math.max(1, load)
    this.#likeness = new Likeness(problem, this.#units)
    const crowd = Math.max(1, problem.processes / problem.machines / fewOnMachine)
    this.#warmest = (this.#fullLoad * way.warmest) / crowd ** 1.5
    this.#coldest = (this.#fullLoad * way.coldest) / crowd ** 2
    this.#one = Math.imul(way.seed + 1, 0x9e3779b1) || 1
    this.#other = Math.imul(way.seed + 1, 0x85ebca77) | 0
  }

  /** The cost of the best seats. */
  get bestCost(): number {
    return this.#best.cost
  }

  /** The best seats, by process. */
  get best(): Int32Array {
    return this.#best.seats()
  }

  /** Tries so many changes, as warm and as strict as belongs to `progress`. */
  run(trials: number, progress: number): void {
    this.#setPrice(progress)
    const heat = this.#heatAt(progress)
    for (let trial = 0; trial < trials; trial += 1) {
      const limit = heat * this.#limits[this.#lot(lots)]! + smallest
      const kind = this.#lot(16)
      if (kind < 9) this.#tryShift(this.#lot(this.#problem.machines), limit)
      else if (kind < 15) this.#trySwap(limit)
      else this.#tryShift(-1, limit)
    }
  }

  /**
   * The heat falls with progress. While anything is exceeded that should not be it stays where it
   * was when that was due: what is exceeded by little is mended by changes that cost much.
   */
  #heatAt(progress: number): number {
    const isExceeded = this.#seats.excess > 0
    if (progress >= descendFrom && !isExceeded) return 0
    const cooled = isExceeded ? Math.min(keepFrom, progress) : progress
    return this.#warmest * (this.#coldest / this.#warmest) ** cooled
  }

  /** The price rises with progress, and then faster for as long as anything is exceeded. */
  #setPrice(progress: number): void {
    const { cheapest, dearest } = this.#way
    const late = Math.max(0, progress - Math.max(keepFrom, this.#progress))
    if (this.#seats.excess > 0) this.#surcharge *= dearer ** late
    this.#progress = progress
    const risen = cheapest * (dearest / cheapest) ** Math.min(1, progress / keepFrom)
    const price = Math.min(dearestEver, risen * this.#surcharge)
    if (Math.abs(price / this.#price - 1) < priceStep) return
    this.#price = price
    const all = price * this.#fullLoad
    this.#seats.setPrice(this.#units.map(each => (each > 0 ? Math.ceil(all / each) : 1)))
  }

  /** Moves a process to a machine, or home (-1). */
  #tryShift(machine: number, limit: number): void {
    const process = this.#lot(this.#problem.processes)
    const to = machine < 0 ? this.#problem.home[process]! : machine
    if (this.#seats.shiftCost(process, to, limit) === refused) return
    this.#move(process, to)
    this.#best.look()
  }

  #trySwap(limit: number): void {
    const one = this.#lot(this.#problem.processes)
    const other =
      this.#lot(2) === 0
        ? this.#lot(this.#problem.processes)
        : this.#likeness.of(one, this.#lot(likes))
    if (this.#seats.swapCost(one, other, limit) === refused) return
    const here = this.#seats.at[one]!
    const there = this.#seats.at[other]!
    this.#move(one, there)
    this.#move(other, here)
    this.#best.look()
  }

  #move(process: number, to: number): void {
    this.#best.leave(process)
    this.#seats.move(process, to)
  }

  /**
   * A number from 0 to less than `count`, by xoroshiro64*: what is drawn for one change, taken
   * together, is longer than 32 bits, and a state of no more would never draw most changes.
   */
  #lot(count: number): number {
    const one = this.#one
    const mixed = this.#other ^ one
    this.#one = ((one << 26) | (one >>> 6)) ^ mixed ^ (mixed << 9)
    this.#other = (mixed << 13) | (mixed >>> 19)
    return Math.floor(((Math.imul(one, 0x9e3779bb) >>> 0) / 4294967296) * count)
  }
}

/** Costs are whole numbers: a change that costs nothing is below this, and no other is. */
const smallest = 0.5

function averages({ demand, processes, resources }: Reassignment): Float64Array {
  const units = new Float64Array(resources)
  for (let i = 0; i < demand.length; i += 1) units[i % resources]! += demand[i]!
  return units.map(each => each / Math.max(1, processes))
}
