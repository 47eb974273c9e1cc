/**
 * How groups stand in the course of a plan. Those who leave lost hosts are on none to begin with,
 * as evacuation frees them all before it places the first; each that is placed counts from then on.
 * Who has yielded its room on a host that is left counts there until it finds another one, and for
 * good if it finds none.
 */
import { domainOf, type Group, keepsRule, type Spread } from '../groups.ts'
import { isAnchor } from '../placement/asked-groups.ts'
import type { Evacuee } from './evacuee.ts'
import type { Ground } from './ground.ts'

type Counted = { readonly counts: Map<string, number>; readonly anchors: Set<string> }

const nowhere: ReadonlySet<string> = new Set()

/** One plan's own counts, on top of those of the ground; it is thrown away with the plan. */
export class GroupTally {
  readonly #ground: Ground
  readonly #lost: ReadonlySet<string>
  readonly #lifted = new Set<string>()
  /** Who leaves a lost host in any case. */
  readonly #gone: ReadonlySet<string>
  /** What is otherwise than in the ground's groups, by group and host. */
  readonly #differences = new Map<string, Map<string, number>>()
  /** By group and level. */
  readonly #spreads = new Map<string, Map<string, Counted>>()

  constructor(ground: Ground, lost: readonly number[], leavers: readonly Evacuee[]) {
    this.#ground = ground
    this.#lost = new Set(lost.map(host => ground.name(host)))
    for (const one of leavers) this.lift(one)
    this.#gone = new Set(this.#lifted)
  }

  /** It is where it was no longer; said again, it changes nothing. */
  lift(one: Evacuee): void {
    if (one.groups.length === 0 || one.at.length === 0 || this.#lifted.has(one.id)) return
    this.#lifted.add(one.id)
    this.#shift(one, -1)
  }

  /** It has found no place, and is where it was, unless that is lost. */
  stay(one: Evacuee): void {
    if (!this.#lifted.has(one.id) || this.#gone.has(one.id)) return
    this.#lifted.delete(one.id)
    this.#shift(one, 1)
  }

  #shift({ groups, at }: Evacuee, amount: number): void {
    for (const key of groups) {
      for (const host of at) this.#differ(key, host, amount)
      this.#spreads.delete(key)
    }
  }

  /** It is on a host. */
  put(one: Evacuee, host: number): void {
    const { host: resource } = this.#ground.rows[host]!
    for (const key of one.groups) {
      this.#differ(key, resource.name, 1)
      for (const [level, { counts, anchors }] of this.#spreads.get(key) ?? []) {
        const domain = domainOf(resource, level)
        if (domain === undefined) continue
        counts.set(domain, (counts.get(domain) ?? 0) + 1)
        if (isAnchor(resource)) anchors.add(domain)
      }
    }
  }

  /** Whether it may come to a host by the hard rules of its groups. */
  allows(one: Evacuee, host: number): boolean {
    const { host: resource } = this.#ground.rows[host]!
    for (const key of one.groups) {
      const group = this.#ground.groups.of(key)
      for (const { rule } of group?.rules.values() ?? []) {
        if (!rule.hard) continue
        const domain = domainOf(resource, rule.level)
        const isPlain = rule.rule === 'apart' && rule.level === 'host'
        const spread = isPlain
          ? { counts: this.#countOn(key, resource.name), anchors: nowhere }
          : this.#spread(key, rule.level)
        if (!keepsRule(rule, domain, spread)) return false
      }
    }
    return true
  }

  #differ(key: string, host: string, amount: number): void {
    let differences = this.#differences.get(key)
    if (!differences) {
      differences = new Map()
      this.#differences.set(key, differences)
    }
    differences.set(host, (differences.get(host) ?? 0) + amount)
  }

  #countOn(key: string, host: string): Spread['counts'] {
    const before = this.#ground.groups.of(key)?.hosts.get(host) ?? 0
    return new Map([[host, before + (this.#differences.get(key)?.get(host) ?? 0)]])
  }

  #spread(key: string, level: string): Spread {
    let levels = this.#spreads.get(key)
    if (!levels) {
      levels = new Map()
      this.#spreads.set(key, levels)
    }
    const known = levels.get(level)
    if (known) return known
    const made = this.#count(key, level, this.#ground.groups.of(key))
    levels.set(level, made)
    return made
  }

  #count(key: string, level: string, group: Group | undefined): Counted {
    const differences = this.#differences.get(key)
    const counts = new Map<string, number>()
    const anchors = new Set<string>()
    const names = new Set([...(group?.hosts.keys() ?? []), ...(differences?.keys() ?? [])])
    for (const name of names) {
      const count = (group?.hosts.get(name) ?? 0) + (differences?.get(name) ?? 0)
      const host = this.#ground.hostNamed(name)
      const domain = host && domainOf(host, level)
      if (count <= 0 || domain === undefined) continue
      counts.set(domain, (counts.get(domain) ?? 0) + count)
      if (!this.#lost.has(name) && isAnchor(host!)) anchors.add(domain)
    }
    return { counts, anchors }
  }
}
