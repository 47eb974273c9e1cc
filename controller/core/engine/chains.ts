/** Which demands are at which host: a chain through them for each host, changed in one step. */

/** Chains of demands, one for each host. */
export class Chains {
  /** By host: its first demand, or -1. */
  readonly heads: Int32Array
  /** By demand: the next one of its host, or -1. */
  readonly next: Int32Array
  readonly #previous: Int32Array

  constructor(hosts: number, demands: number) {
    this.heads = new Int32Array(hosts).fill(-1)
    this.next = new Int32Array(demands).fill(-1)
    this.#previous = new Int32Array(demands).fill(-1)
  }

  /** Puts a demand that is in no chain into a host's. */
  add(host: number, demand: number): void {
    const head = this.heads[host]!
    this.next[demand] = head
    this.#previous[demand] = -1
    if (head >= 0) this.#previous[head] = demand
    this.heads[host] = demand
  }

  /** Takes a demand out of its host's chain. */
  drop(host: number, demand: number): void {
    const next = this.next[demand]!
    const previous = this.#previous[demand]!
    if (previous >= 0) this.next[previous] = next
    else this.heads[host] = next
    if (next >= 0) this.#previous[next] = previous
  }

  /** The demands of a host, the lowest number first. */
  of(host: number): readonly number[] {
    const demands: number[] = []
    for (let each = this.heads[host]!; each >= 0; each = this.next[each]!) demands.push(each)
    return demands.sort((a, b) => a - b)
  }
}
