/** Numbers by chance that a seed decides (xorshift): the same seed draws the same. */
export class Lots {
  #state: number

  constructor(seed: number) {
    // The generator never leaves 0.
    this.#state = Math.imul(seed + 1, 2654435761) || 1
  }

  /** A whole number below a count. */
  below(count: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return Math.floor(((state >>> 0) / 4294967296) * count)
  }
}
