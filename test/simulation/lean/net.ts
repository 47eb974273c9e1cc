/**
 * Who reaches whom. It stands in for sockets: a message arrives once, late, twice or never; lines
 * that break are found out by silence alone.
 */
import type { Ms } from '#shared/units.ts'
import type { Machine } from './machine.ts'
import type { Timeline } from './timeline.ts'

/** Of so many messages on a line that loses some, one comes twice. */
const twiceShare = 0.05
/** Messages that are held on a line; more are lost. */
const heldMax = 64

export class Net {
  readonly #timeline: Timeline
  readonly #chance: () => number
  /** Pairs that are cut one way. */
  readonly #cuts = new Set<number>()

  constructor(timeline: Timeline, chance: () => number) {
    this.#timeline = timeline
    this.#chance = chance
  }

  cut(from: Machine, to: Machine): void {
    this.#cuts.add(from.index * 1_024 + to.index)
  }

  mend(from: Machine, to: Machine): void {
    this.#cuts.delete(from.index * 1_024 + to.index)
  }

  mendAll(): void {
    this.#cuts.clear()
  }

  /** Whether what one sends comes to the other one's kernel. */
  reaches(from: Machine, to: Machine): boolean {
    if (!from.isOn || from.boots || !to.isOn || to.boots || from.island !== to.island) return false
    return this.#cuts.size === 0 || !this.#cuts.has(from.index * 1_024 + to.index)
  }

  /** Whether what one sends is at the other end at once. */
  isPrompt(from: Machine, to: Machine): boolean {
    if (to.held || from.delayMs + to.delayMs + from.loss + to.loss !== 0) return false
    return this.reaches(from, to)
  }

  /** Has something done at the other end, if it comes there. */
  send(from: Machine, to: Machine, arrive: () => void): void {
    if (to.held) {
      if (to.held.length < heldMax) to.held.push(() => this.reaches(from, to) && arrive())
      return
    }
    if (!this.reaches(from, to)) return
    const [slowMs, loss] = [from.delayMs + to.delayMs, from.loss + to.loss]
    if (loss > 0 && this.#chance() < loss) return
    const turns = to.turns
    const arriveOnce = (): void => {
      if (to.turns === turns && this.reaches(from, to)) arrive()
    }
    this.#timeline.after(1 + 3 * this.#chance() + slowMs * this.#chance(), arriveOnce)
    if (loss === 0 || this.#chance() > twiceShare) return
    this.#timeline.after(this.#wait(slowMs), arriveOnce)
  }

  /** The same, at once where nothing slows the line. */
  sendPromptly(from: Machine, to: Machine, arrive: () => void): void {
    if (this.isPrompt(from, to)) arrive()
    else this.send(from, to, arrive)
  }

  #wait(slowMs: Ms): Ms {
    return 1 + (200 + 2 * slowMs) * this.#chance()
  }
}
