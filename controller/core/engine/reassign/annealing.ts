/**
 * Looks for a better reassignment by simulated annealing: a change of one or two processes is drawn
 * by lot, and kept when it costs less than a limit that is drawn as well and falls to nothing as
 * the search goes on. The limit is drawn first, so that most changes are given up as soon as they
 * are known to cost more.
 *
 * A process moves, changes places with another (any, or one like it), returns home, or takes the
 * place of one that came from elsewhere, which goes on to a third machine or home: where moved
 * processes still hold room at home, that is often the only way in. And since the room for those
 * who came is scarce, and heat alone would fill it with whoever came first, being away costs a
 * little more than it does, in proportion to the heat.
 *
 * There is no clock: whoever runs it says how far it is, from 0 to 1, and so it may be ended at any
 * time. The same seed and the same steps give the same seats.
 */
import { Best } from './best.ts'
import { Course } from './course.ts'
import { Destinations } from './destinations.ts'
import { Kinship, kin } from './kinship.ts'
import { Likeness, likes } from './likeness.ts'
import { Lots } from './lots.ts'
import type { Reassignment } from './problem.ts'
import { type Scales, scalesOf } from './scales.ts'
import { refused, Seats } from './seats.ts'
import type { Mix, Way } from './ways.ts'

/** Of so many changes a way says how many are of each kind. */
const changes = 64
/** Limits are drawn from so many, and larger processes by so many lots. */
const limits = 4096
const drawn = 65_536
/** Costs are whole numbers: a change that costs nothing is below this, and no other is. */
const smallest = 0.5
/** A new price makes remembered costs stale: so it waits until it differs by so much. */
const priceStep = 0.01
/** A search that exceeds capacities by then goes back to the best that does not. */
const giveUpFrom = 0.85

/** A search, with the best allowed seats that it has seen. */
export class Annealing {
  readonly #seats: Seats
  readonly #best: Best
  readonly #problem: Reassignment
  readonly #scales: Scales
  /** Of numbers from 0 to less than `changes`, where those of each kind end. */
  readonly #ends: Mix
  /** Processes by lot: the larger, the more often. */
  readonly #large: Int32Array
  readonly #homing: number
  readonly #course: Course
  readonly #lots: Lots
  /** Limits by lot: the logarithm of a chance. */
  readonly #limits: Float64Array
  readonly #likeness: Likeness
  readonly #kinship: Kinship
  readonly #destinations: Destinations
  #price: number | undefined
  #hasGivenUp = false
  /** What an average process away from home costs besides, for now. */
  #away = 0

  constructor(problem: Reassignment, way: Way, at?: ArrayLike<number>) {
    this.#problem = problem
    this.#seats = new Seats(problem, at)
    this.#best = new Best(this.#seats)
    this.#limits = Float64Array.from({ length: limits }, (_, k) => -Math.log((k + 0.5) / limits))
    this.#scales = scalesOf(problem)
    this.#ends = endsOf(way.mix)
    this.#large = drawnBySize(this.#scales.bySize, way.large)
    this.#homing = way.homing
    this.#course = new Course(way, this.#scales)
    this.#likeness = new Likeness(problem, this.#scales.units)
    this.#kinship = new Kinship(problem)
    this.#destinations = new Destinations(problem)
    this.#lots = new Lots(way.seed)
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
    if (progress >= giveUpFrom && this.#seats.excess > 0) this.#giveUp()
    this.#setPrice(progress)
    const heat = this.#course.heat(progress, this.#seats.excess > 0)
    this.#away = heat * this.#homing
    const { shifts, swaps, likeSwaps, kinSwaps, returns } = this.#ends
    for (let trial = 0; trial < trials; trial += 1) {
      const lot = this.#lots.below(limits * changes)
      const limit = heat * this.#limits[lot % limits]! + smallest
      const kind = Math.floor(lot / limits)
      if (kind < shifts) this.#tryShift(limit)
      else if (kind < swaps) this.#trySwap(limit)
      else if (kind < likeSwaps) this.#tryLike(limit)
      else if (kind < kinSwaps) this.#tryKin(limit)
      else if (kind < returns) this.#tryReturn(limit)
      else this.#tryChain(limit)
    }
  }

  #giveUp(): void {
    const best = this.#best.seats()
    for (const [process, machine] of best.entries()) this.#move(process, machine)
    this.#hasGivenUp = true
    this.#seats.setPrice(undefined)
  }

  #setPrice(progress: number): void {
    const price = this.#course.price(progress, this.#seats.excess > 0)
    if (price === undefined || this.#hasGivenUp) return
    if (this.#price !== undefined && Math.abs(price / this.#price - 1) < priceStep) return
    this.#price = price
    const all = price * this.#scales.fullLoad
    this.#seats.setPrice(this.#scales.units.map(each => (each > 0 ? Math.ceil(all / each) : 1)))
  }

  #tryShift(limit: number): void {
    const process = this.#draw()
    const to = this.#drawDestination(process)
    if (to < 0) return
    const allowed = limit - this.#homeless(process, to)
    if (this.#seats.shiftCost(process, to, allowed) === refused) return
    this.#move(process, to)
    this.#best.look()
  }

  #tryReturn(limit: number): void {
    const process = this.#drawVisitor(this.#lots.below(this.#problem.machines))
    if (process < 0) return
    const to = this.#problem.home[process]!
    const allowed = limit - this.#homeless(process, to)
    if (this.#seats.shiftCost(process, to, allowed) === refused) return
    this.#move(process, to)
    this.#best.look()
  }

  #trySwap(limit: number): void {
    const one = this.#draw()
    const there = this.#drawDestination(one)
    if (there < 0) return
    const { crews } = this.#seats
    const count = crews.count(there)
    if (count > 0) this.#swap(one, crews.of(there, this.#lots.below(count)), limit)
  }

  #tryLike(limit: number): void {
    const one = this.#draw()
    this.#swap(one, this.#likeness.of(one, this.#lots.below(likes)), limit)
  }

  #tryKin(limit: number): void {
    const one = this.#draw()
    this.#swap(one, this.#kinship.of(one, this.#lots.below(kin)), limit)
  }

  #swap(one: number, other: number, limit: number): void {
    const here = this.#seats.at[one]!
    const there = this.#seats.at[other]!
    const allowed = limit - this.#homeless(one, there) - this.#homeless(other, here)
    if (this.#seats.swapCost(one, other, allowed) === refused) return
    this.#move(one, there)
    this.#move(other, here)
    this.#best.look()
  }

  #tryChain(limit: number): void {
    const one = this.#draw()
    const middle = this.#drawDestination(one)
    if (middle < 0) return
    const other = this.#drawVisitor(middle)
    if (other < 0) return
    const drawn = this.#lots.below(2) === 0 ? -1 : this.#drawDestination(other)
    const to = drawn < 0 ? this.#problem.home[other]! : drawn
    const allowed = limit - this.#homeless(one, middle) - this.#homeless(other, to)
    if (this.#seats.chainCost(one, other, to, allowed) === refused) return
    this.#move(other, to)
    this.#move(one, middle)
    this.#best.look()
  }

  /** A process: half of them from all alike, half the more likely the larger. */
  #draw(): number {
    if (this.#lots.below(2) === 0) return this.#lots.below(this.#problem.processes)
    return this.#large[this.#lots.below(drawn)]!
  }

  /** A machine where it could go, or -1. */
  #drawDestination(process: number): number {
    const count = this.#destinations.count(process)
    return count === 0 ? -1 : this.#destinations.of(process, this.#lots.below(count))
  }

  /** One that came to a machine from elsewhere, or -1. */
  #drawVisitor(machine: number): number {
    const { visitors } = this.#seats
    const count = visitors.count(machine)
    return count === 0 ? -1 : visitors.of(machine, this.#lots.below(count))
  }

  /** What it costs besides that a process leaves home; what that saves, when it returns. */
  #homeless(process: number, to: number): number {
    const home = this.#problem.home[process]!
    const change = Number(this.#seats.at[process] === home) - Number(to === home)
    return change * this.#away * this.#scales.room[process]!
  }

  #move(process: number, to: number): void {
    this.#best.leave(process)
    this.#seats.move(process, to)
  }
}

function endsOf({ shifts, swaps, likeSwaps, kinSwaps, returns }: Mix): Mix {
  const both = shifts + swaps
  const likes = both + likeSwaps
  const all = likes + kinSwaps
  return { shifts, swaps: both, likeSwaps: likes, kinSwaps: all, returns: all + returns }
}

function drawnBySize(bySize: Int32Array, large: number): Int32Array {
  const placeOf = (lot: number) => Math.floor(((lot + 0.5) / drawn) ** large * bySize.length)
  return Int32Array.from({ length: drawn }, (_, lot) => bySize[placeOf(lot)]!)
}
