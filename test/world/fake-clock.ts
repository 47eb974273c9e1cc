/**
 * Time that passes only when a test says so. Between two moments at which somebody wakes,
 * everything that can go on without waiting is let go on.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Lag } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'

/** However slow the machine is that it runs on, time that is made is never late. */
export const neverLate: Lag = { take: () => 0, [Symbol.dispose]: () => undefined }

/** For what only asks for the time: which must be given. */
export const noClock = {
  wall: () => 0,
  sleep: () => Promise.reject(new Error('nothing waits here')),
  lag: () => neverLate
}

type Sleeper = {
  readonly at: Ms
  readonly number: number
  readonly wake: () => void
  isGone: boolean
}

/** So many turns of the event loop are let pass for things to come to rest. */
const turnsDefault = 20

export class FakeClock implements Clock {
  readonly #rest: () => Promise<void>
  readonly #sleepers = new Sleepers()
  #now: Ms
  #wallAtZero: Ms

  constructor(
    given: {
      readonly now?: Ms
      readonly wallAtZero?: Ms
      readonly turns?: number
      /** Instead of turns: resolves once all that needs no time is done. */
      readonly rest?: () => Promise<void>
    } = {}
  ) {
    this.#now = given.now ?? 0
    this.#wallAtZero = given.wallAtZero ?? Date.UTC(2026, 0, 1)
    this.#rest = given.rest ?? (() => turnsOf(given.turns ?? turnsDefault))
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
      const at = this.#now + Math.max(0, durationMs)
      if (signal === undefined) {
        this.#sleepers.add(at, resolve)
        return
      }
      const giveUp = (): void => {
        this.#sleepers.leave(sleeper)
        reject(signal.reason)
      }
      const sleeper = this.#sleepers.add(at, () => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      })
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  lag(): Lag {
    return neverLate
  }

  /** Lets everything go on that needs no time. */
  settle(): Promise<void> {
    return this.#rest()
  }

  /** Lets so much time pass, waking each sleeper at its moment. */
  async pass(durationMs: Ms): Promise<void> {
    const until = this.#now + durationMs
    await this.#rest()
    for (;;) {
      const next = this.#sleepers.take(until)
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      next.wake()
      await this.#rest()
    }
    this.#now = until
  }

  /** Lets time pass until the condition holds; throws when it does not within so much time. */
  async passUntil(condition: () => boolean, atMostMs: Ms): Promise<void> {
    const until = this.#now + atMostMs
    await this.#rest()
    while (!condition()) {
      if (this.#now >= until) throw new Error(`it did not come about within ${atMostMs} ms`)
      const next = Math.min(until, this.#sleepers.nextAt())
      await this.pass(Math.max(0, next - this.#now))
    }
  }
}

async function turnsOf(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await turn()
}

/** So many who sleep no longer may be in the heap, however few others there are. */
const goneMax = 256

/** A heap: who wakes first is on top, and of those at one moment who went to sleep first. */
class Sleepers {
  #heap: Sleeper[] = []
  #count = 0
  /** Those in the heap who sleep no longer; they are taken out when they come to the top. */
  #gone = 0

  add(at: Ms, wake: () => void): Sleeper {
    const sleeper: Sleeper = { at, number: this.#count++, wake, isGone: false }
    this.#insert(sleeper)
    return sleeper
  }

  /** Says that this one, who was not taken yet, sleeps no longer. */
  leave(sleeper: Sleeper): void {
    if (sleeper.isGone) return
    sleeper.isGone = true
    this.#gone += 1
    if (this.#gone < goneMax || this.#gone * 2 < this.#heap.length) return
    const all = this.#heap
    this.#heap = []
    this.#gone = 0
    for (const one of all) if (!one.isGone) this.#insert(one)
  }

  #insert(sleeper: Sleeper): void {
    const heap = this.#heap
    let place = heap.push(sleeper) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(sleeper, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = sleeper
  }

  /** Moment of the next one; infinity: nobody sleeps. */
  nextAt(): Ms {
    while (this.#heap[0]?.isGone) {
      this.#removeFirst()
      this.#gone -= 1
    }
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Takes the next one out that is to wake by then. */
  take(until: Ms): Sleeper | undefined {
    if (this.nextAt() > until) return undefined
    const first = this.#removeFirst()
    first.isGone = true
    return first
  }

  #removeFirst(): Sleeper {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
    return first
  }
}

const isBefore = (a: Sleeper, b: Sleeper): boolean =>
  a.at < b.at || (a.at === b.at && a.number < b.number)
