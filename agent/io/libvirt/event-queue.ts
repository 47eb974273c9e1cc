/**
 * Events on their way to one reader. libvirtd never sends an event twice, and events are lost
 * whenever the connection is: so an event is only an invitation to look, and the reader must be
 * able to live with "look again at everything". That is also what happens here when a reader lags
 * so far that the queue is full: what waits is thrown away for one such event per driver.
 */
import type { DomainEvent, Driver } from '../../core/ports.ts'

/** So many events may wait for a reader. */
const eventsWaitingMax = 1_000

/** Says that events of a driver may have been missed. */
export const lookAgain = (driver: Driver, detail: string): DomainEvent => ({
  uuid: '',
  name: '',
  driver,
  event: 'reconnected',
  detail
})

/** A bounded queue with one reader, who waits in `for await`. */
export class EventQueue implements AsyncIterableIterator<DomainEvent> {
  readonly #max: number
  readonly #onEnd: () => void
  #waiting: DomainEvent[] = []
  #reader: ((result: IteratorResult<DomainEvent>) => void) | undefined
  #ended = false

  constructor(options: { readonly max?: number; readonly onEnd?: () => void } = {}) {
    this.#max = options.max ?? eventsWaitingMax
    this.#onEnd = options.onEnd ?? (() => {})
  }

  push(event: DomainEvent): void {
    if (this.#ended) return
    const reader = this.#reader
    this.#reader = undefined
    if (reader) reader({ done: false, value: event })
    else if (this.#waiting.length < this.#max) this.#waiting.push(event)
    else this.#collapse(event)
  }

  /** No more events will come; those that wait are still read. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#reader?.({ done: true, value: undefined })
    this.#reader = undefined
    this.#onEnd()
  }

  next(): Promise<IteratorResult<DomainEvent>> {
    const value = this.#waiting.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => {
      this.#reader = resolve
    })
  }

  return(): Promise<IteratorResult<DomainEvent>> {
    this.#waiting = []
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #collapse(event: DomainEvent): void {
    const drivers = new Set([...this.#waiting, event].map(({ driver }) => driver))
    const detail = `more than ${this.#max} events waited`
    this.#waiting = [...drivers].map(driver => lookAgain(driver, detail))
  }
}
