/** Who is in which group, and whether a host would have two of a group that should be apart. */
import type { Layout } from './layout.ts'

/** A demand at a refuge, after a loss. */
export type Refugee = {
  readonly demand: number
  readonly host: number
  readonly loss: number
  readonly lossOf: Int32Array
  /** By demand: where it would start. */
  readonly refuge: Int32Array
}

/** Members of groups; only levels that forbid two in one domain count. */
export class Members {
  readonly #layout: Layout
  readonly #domains: readonly ArrayLike<number>[]
  readonly #members = new Map<number, number[]>()

  constructor(layout: Layout) {
    const { levels, groups } = layout.problem
    this.#layout = layout
    this.#domains = levels.filter(({ forbids }) => forbids).map(({ domain }) => domain)
    for (const [demand, each] of groups.entries()) {
      if (layout.first[demand]! >= 0 && each.length > 0) this.add(demand)
    }
  }

  add(demand: number): void {
    for (const group of this.#layout.problem.groups[demand]!) {
      const members = this.#members.get(group)
      if (members) members.push(demand)
      else this.#members.set(group, [demand])
    }
  }

  drop(demand: number): void {
    for (const group of this.#layout.problem.groups[demand]!) {
      const members = this.#members.get(group)!
      members.splice(members.indexOf(demand), 1)
      if (members.length === 0) this.#members.delete(group)
    }
  }

  /** Whether one of a demand's groups is near a host already. */
  clashAt(demand: number, host: number): boolean {
    const { first, problem } = this.#layout
    for (const group of problem.groups[demand]!) {
      for (const other of this.#members.get(group) ?? []) {
        if (other !== demand && this.#near(first[other]!, host)) return true
      }
    }
    return false
  }

  /** Whether one of a demand's groups would be near its refuge after a loss. */
  clashAfter({ demand, host, loss, lossOf, refuge }: Refugee): boolean {
    const { first, second, problem } = this.#layout
    for (const group of problem.groups[demand]!) {
      for (const other of this.#members.get(group) ?? []) {
        if (other === demand) continue
        const isLost = lossOf[first[other]!] === loss
        // A pair starts at its second seat whoever is there, so others evade it.
        const then = second[other]! >= 0 ? second[other]! : refuge[other]!
        const at = isLost ? then : first[other]!
        if (at >= 0 && this.#near(at, host)) return true
      }
    }
    return false
  }

  /** Those who would have to start near where a demand is now. */
  guestsNear(demand: number, host: number, refuge: Int32Array, lossOf: Int32Array): number[] {
    const { first, problem, second } = this.#layout
    const guests: number[] = []
    for (const group of problem.groups[demand]!) {
      for (const other of this.#members.get(group) ?? []) {
        if (other === demand || second[other]! >= 0 || refuge[other]! < 0) continue
        if (lossOf[first[other]!] === lossOf[host]) continue
        if (this.#near(refuge[other]!, host)) guests.push(other)
      }
    }
    return guests
  }

  #near(one: number, other: number): boolean {
    for (const domain of this.#domains) {
      if (domain[one]! >= 0 && domain[one] === domain[other]) return true
    }
    return false
  }
}
