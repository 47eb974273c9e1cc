/**
 * Time that passes only when a test says so. Between two moments at which somebody wakes,
 * everything that can go on without waiting is let go on.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'

type Sleeper = { readonly at: Ms; readonly number: number; readonly wake: () => void }

/** So many turns of the event loop are let pass for things to come to rest. */
const turnsDefault = 20

export class FakeClock implements Clock {
  readonly #turns: number
  #now: Ms
  #wallAtZero: Ms
  #sleepers: Sleeper[] = []
  #count = 0

  constructor(
    given: { readonly now?: Ms; readonly wallAtZero?: Ms; readonly turns?: number } = {}
  ) {
    this.#now = given.now ?? 0
    this.#wallAtZero = given.wallAtZero ?? Date.UTC(2026, 0, 1)
    this.#turns = given.turns ?? turnsDefault
  }

  monotonic(): Ms {
    return this.#now
  }

  wall(): Ms {
    return this.#wallAtZero + this.#now
  }

  /** Sets the wall clock forwards or back; deadlines do not notice. */
  jump(byMs: Ms): void {
    this.#wallAtZero += byMs
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const give = () => reject(signal?.reason)
      const sleeper: Sleeper = {
        at: this.#now + Math.max(0, durationMs),
        number: this.#count++,
        wake: () => {
          signal?.removeEventListener('abort', give)
          resolve()
        }
      }
      this.#sleepers.push(sleeper)
      signal?.addEventListener(
        'abort',
        () => {
          this.#sleepers = this.#sleepers.filter(each => each !== sleeper)
          give()
        },
        { once: true }
      )
    })
  }

  /** Lets everything go on that needs no time. */
  async settle(): Promise<void> {
    for (let count = 0; count < this.#turns; count++) await turn()
  }

  /** Lets so much time pass, waking each sleeper at its moment. */
  async pass(durationMs: Ms): Promise<void> {
    const until = this.#now + durationMs
    await this.settle()
    for (;;) {
      const next = this.#sleepers
        .filter(({ at }) => at <= until)
        .toSorted((a, b) => a.at - b.at || a.number - b.number)[0]
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      this.#sleepers = this.#sleepers.filter(each => each !== next)
      next.wake()
      await this.settle()
    }
    this.#now = until
  }

  /** Lets time pass until the condition holds; throws when it does not within so much time. */
  async passUntil(condition: () => boolean, atMostMs: Ms): Promise<void> {
    const until = this.#now + atMostMs
    await this.settle()
    while (!condition()) {
      if (this.#now >= until) throw new Error(`it did not come about within ${atMostMs} ms`)
      const moments = this.#sleepers.map(({ at }) => at).filter(at => at > this.#now)
      await this.pass(Math.min(until, ...moments) - this.#now)
    }
  }
}
