/**
 * Draws by lot, by xoroshiro64*: what is drawn for one change, taken together, is longer than 32
 * bits, and a state of no more would never draw most changes. The same seed gives the same draws.
 */

/** Numbers by lot. */
export class Lots {
  #one: number
  #other: number

  constructor(seed: number) {
    this.#one = Math.imul(seed + 1, 0x9e3779b1) || 1
    this.#other = Math.imul(seed + 1, 0x85ebca77) | 0
  }

  /** A whole number from 0 to less than `count`. */
  below(count: number): number {
    return (this.share() * count) | 0
  }

  /** A number from 0 to less than 1. */
  share(): number {
    const one = this.#one
    const mixed = this.#other ^ one
    this.#one = ((one << 26) | (one >>> 6)) ^ mixed ^ (mixed << 9)
    this.#other = (mixed << 13) | (mixed >>> 19)
    return (Math.imul(one, 0x9e3779bb) >>> 0) / 4294967296
  }
}
