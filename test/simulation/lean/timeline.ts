/** Virtual time: what is due next is done next, and what is due at once in the order of asking. */
import type { Ms } from '#shared/units.ts'

type Due = { readonly at: Ms; readonly order: number; readonly act: () => void }

const isBefore = (one: Due, other: Due): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)

/** A heap of what is due; nothing here waits for anything. */
export class Timeline {
  now: Ms = 0
  /** How much was done so far. */
  count = 0
  readonly #heap: Due[] = []
  #order = 0

  after(delayMs: Ms, act: () => void): void {
    this.at(this.now + Math.max(0, delayMs), act)
  }

  at(at: Ms, act: () => void): void {
    this.#order += 1
    const due = { at: Math.max(at, this.now), order: this.#order, act }
    const heap = this.#heap
    let place = heap.length
    heap.push(due)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(due, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = due
  }

  /** Does all that is due until then. */
  passUntil(until: Ms): void {
    for (let due = this.#heap[0]; due && due.at <= until; due = this.#heap[0]) {
      this.#removeFirst()
      this.now = due.at
      this.count += 1
      due.act()
    }
    this.now = until
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    const { length } = heap
    if (length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
  }
}
