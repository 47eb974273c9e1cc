/** What is the matter with whom at a moment: the spells around now, and what follows from them. */
import type { Ms } from '#shared/units.ts'
import { lossAlways, type Spell, type SpellKind } from './spells.ts'

/** The controller's number; hosts count from 0. */
export const controllerNumber = -1

/** Spells are kept so long after their end, since somebody may ask for what was. */
const keptMs: Ms = 1_000

/** Asked for moments that are not longer ago than `keptMs`, and not after the last `advance`. */
export class Scene {
  readonly #spells: readonly Spell[]
  readonly #rackOf: (machine: number) => number
  #next = 0
  #around: Spell[] = []

  constructor(spells: readonly Spell[], rackOf: (machine: number) => number) {
    this.#spells = spells
    this.#rackOf = rackOf
  }

  /** Takes in what begins until a moment, and gives it. */
  advance(until: Ms, now: Ms): readonly Spell[] {
    const begun: Spell[] = []
    while (this.nextFrom <= until) begun.push(this.#spells[this.#next++]!)
    if (begun.length > 0 || this.#around.some(({ to }) => to + keptMs < now)) {
      this.#around = [...this.#around.filter(({ to }) => to + keptMs >= now), ...begun]
    }
    return begun
  }

  /** When the next spell begins. */
  get nextFrom(): Ms {
    return this.#spells[this.#next]?.from ?? Number.POSITIVE_INFINITY
  }

  /** Whether anything is the matter, or was a moment ago. */
  get isQuiet(): boolean {
    return this.#around.length === 0
  }

  /** A fence has switched a host off. */
  add(spell: Spell): void {
    this.#around.push(spell)
  }

  /** What is the matter with a machine and its controller, or was a moment ago. */
  around(machine: number): readonly Spell[] {
    return this.#around.filter(
      spell => this.#concerns(spell, machine) || this.#concerns(spell, controllerNumber)
    )
  }

  /** What is the matter with a machine itself. */
  *of(machine: number, at: Ms): Iterable<Spell> {
    for (const spell of this.#around) {
      if (spell.from <= at && at < spell.to && this.#concerns(spell, machine)) yield spell
    }
  }

  #concerns({ whom }: Spell, machine: number): boolean {
    switch (whom.scope) {
      case 'host':
        return whom.number === machine
      case 'rack':
        return machine >= 0 && this.#rackOf(machine) === whom.number
      case 'controller':
        return machine === controllerNumber
      case 'cloud':
        return true
      default:
        return whom satisfies never
    }
  }

  #has(machine: number, at: Ms, kinds: ReadonlySet<SpellKind>): boolean {
    for (const spell of this.#around) {
      if (!kinds.has(spell.kind) || at < spell.from || at >= spell.to) continue
      if (this.#concerns(spell, machine)) return true
    }
    return false
  }

  /** Whether programs run there. */
  runs = (machine: number, at: Ms): boolean => !this.#has(machine, at, stopped)
  /** Whether its kernel does. */
  isAwake = (machine: number, at: Ms): boolean => !this.#has(machine, at, asleep)
  /** Whether it is dead: whoever takes it for that is right. */
  isDead = (machine: number, at: Ms): boolean => this.#has(machine, at, dead)
  isAbsent = (machine: number, at: Ms): boolean => this.#has(machine, at, absent)

  /** Whether packets come from one machine to another. */
  isOpen(one: number, other: number, at: Ms): boolean {
    if (!(this.isAwake(one, at) && this.isAwake(other, at))) return false
    const isSameRack = one >= 0 && other >= 0 && this.#rackOf(one) === this.#rackOf(other)
    for (const spell of this.#around) {
      const { kind, whom, from, to } = spell
      if (at < from || at >= to || (kind !== 'flap' && kind !== 'path')) continue
      if (kind === 'path' && one !== controllerNumber && other !== controllerNumber) continue
      if (whom.scope === 'rack' && isSameRack) continue
      if (this.#concerns(spell, one) || this.#concerns(spell, other)) return false
    }
    return true
  }

  /** The share of packets that is lost between two machines. */
  lossOf(one: number, other: number, at: Ms): number {
    let kept = 1 - lossAlways
    for (const spell of this.#around) {
      if (spell.kind !== 'loss' || at < spell.from || at >= spell.to) continue
      if (this.#concerns(spell, one) || this.#concerns(spell, other)) kept *= 1 - spell.amount
    }
    return 1 - kept
  }

  /** How late the event loop of a machine is on average. */
  lagOf(machine: number, at: Ms): Ms {
    let lag = 0
    for (const { kind, amount } of this.of(machine, at)) if (kind === 'lag') lag += amount
    return lag
  }
}

const stopped = new Set<SpellKind>(['pause', 'freeze', 'death', 'hang', 'off'])
const asleep = new Set<SpellKind>(['freeze', 'death', 'off'])
const dead = new Set<SpellKind>(['death', 'hang', 'off'])
const absent = new Set<SpellKind>(['absent'])
