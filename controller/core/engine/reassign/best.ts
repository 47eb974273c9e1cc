/**
 * The best seats of a search. A search that gets better with nearly every step would spend its time
 * on copies: so kept are the moves since the best instead, and a copy is made, with the moves taken
 * back, only when they become many or someone asks.
 */
import type { Seats } from './seats.ts'

/** Follows seats as they change. */
export class Best {
  cost = Number.POSITIVE_INFINITY
  readonly #seats: Seats
  readonly #copy: Int32Array
  readonly #moved: Int32Array
  readonly #from: Int32Array
  /** Moves since the best; -1: the copy is it. */
  #count = -1

  constructor(seats: Seats) {
    this.#seats = seats
    this.#copy = Int32Array.from(seats.at)
    this.#moved = new Int32Array(seats.at.length)
    this.#from = new Int32Array(seats.at.length)
    if (seats.excess === 0) this.cost = seats.cost
  }

  /** Notes that a process is about to move. */
  leave(process: number): void {
    if (this.#count < 0) return
    if (this.#count === this.#moved.length) this.#keep()
    else {
      this.#moved[this.#count] = process
      this.#from[this.#count] = this.#seats.at[process]!
      this.#count += 1
    }
  }

  /** Looks whether the seats are the best now. */
  look(): void {
    if (this.#seats.excess !== 0 || this.#seats.cost >= this.cost) return
    this.cost = this.#seats.cost
    this.#count = 0
  }

  /** The best seats, by process. */
  seats(): Int32Array {
    this.#keep()
    return Int32Array.from(this.#copy)
  }

  #keep(): void {
    if (this.#count < 0) return
    this.#copy.set(this.#seats.at)
    for (let k = this.#count - 1; k >= 0; k -= 1) this.#copy[this.#moved[k]!] = this.#from[k]!
    this.#count = -1
  }
}
