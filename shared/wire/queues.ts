/**
 * The two queues of a mesh. Neither grows without bound, and what happens at the bound is this:
 * a message that tells a state (heartbeat, order, report) takes the place of the unsent or unread
 * one before it, so there is at most one of each; any other message is refused.
 */
import assert from 'node:assert'

/** How much may wait, for each peer. */
export type Bounds = { readonly entriesMax: number; readonly bytesMax: number }

/** Bounds that no honest peer reaches: some 30 consoles whose readers have all stopped. */
export const queueBounds: Bounds = { entriesMax: 1_024, bytesMax: 8 * 1024 * 1024 }

/** Messages of which only the latest counts; in the order in which they are sent. */
export const stateTypes: readonly string[] = [
  'heartbeat',
  'refusal',
  'bootstrap',
  'order',
  'report',
  'peers'
]

/** A message that waits to be sent. */
export type Outgoing = { readonly type: string; readonly body: Uint8Array }

/** What waits to be sent to one peer: first the latest states, then the others in order. */
export class Outbox {
  readonly #states = new Map<string, Outgoing>()
  readonly #others: Outgoing[] = []
  readonly #bounds: Bounds
  #bytes = 0

  constructor(bounds: Bounds = queueBounds) {
    this.#bounds = bounds
  }

  /** Takes a message; says whether it replaced an unsent one, or that there is no room. */
  put(message: Outgoing): 'queued' | 'replaced' | 'full' {
    if (stateTypes.includes(message.type)) {
      const replaced = this.#states.has(message.type)
      this.#states.set(message.type, message)
      return replaced ? 'replaced' : 'queued'
    }
    const { entriesMax, bytesMax } = this.#bounds
    const bytes = this.#bytes + message.body.length
    if (this.#others.length >= entriesMax || bytes > bytesMax) return 'full'
    this.#bytes = bytes
    this.#others.push(message)
    return 'queued'
  }

  /** The message that is to be sent next. */
  first(): Outgoing | undefined {
    for (const type of stateTypes) {
      const state = this.#states.get(type)
      if (state !== undefined) return state
    }
    return this.#others[0]
  }

  /** Forgets a message that has been sent, unless a newer one has taken its place. */
  remove(message: Outgoing): void {
    if (this.#states.get(message.type) === message) this.#states.delete(message.type)
    else if (this.#others[0] === message) {
      this.#others.shift()
      this.#bytes -= message.body.length
    }
  }

  /** Forgets all but the states of these types; says how many were dropped. */
  clear(keep: readonly string[]): number {
    let dropped = this.#others.length
    this.#others.length = 0
    this.#bytes = 0
    for (const type of [...this.#states.keys()]) {
      if (!keep.includes(type) && this.#states.delete(type)) dropped++
    }
    return dropped
  }
}

/** Where a message that came in is from, and what it would replace. */
export type Arrived = {
  readonly from: string
  readonly bytes: number
  /** An unread one with the same key, from the same sender, is replaced. */
  readonly key?: string
}

type Waiting<T> = { readonly value: T; readonly from: string; readonly bytes: number }

/** What has come in from all peers and waits to be read by the one reader, in order. */
export class Inbox<T> {
  readonly #waiting = new Map<string | number, Waiting<T>>()
  readonly #used = new Map<string, { entries: number; bytes: number }>()
  readonly #bounds: Bounds
  #number = 0
  #closed = false
  #reading = false
  #wake: () => void = () => {}

  constructor(bounds: Bounds = queueBounds) {
    this.#bounds = bounds
  }

  /** Takes what came in; says that there is no room for more of this sender. */
  put(value: T, { from, bytes, key }: Arrived): 'queued' | 'replaced' | 'full' {
    if (this.#closed) return 'full'
    const replaced = key !== undefined && this.#waiting.delete(`${from}/${key}`)
    if (key === undefined && !this.#reserve(from, bytes)) return 'full'
    const place = key === undefined ? ++this.#number : `${from}/${key}`
    this.#waiting.set(place, { value, from, bytes })
    this.#wake()
    return replaced ? 'replaced' : 'queued'
  }

  #reserve(from: string, bytes: number): boolean {
    const used = this.#used.get(from) ?? { entries: 0, bytes: 0 }
    const { entriesMax, bytesMax } = this.#bounds
    if (used.entries >= entriesMax || used.bytes + bytes > bytesMax) return false
    this.#used.set(from, { entries: used.entries + 1, bytes: used.bytes + bytes })
    return true
  }

  #release(place: string | number, { from, bytes }: Waiting<T>): void {
    const used = this.#used.get(from)
    if (typeof place === 'string' || used === undefined) return
    if (used.entries === 1) this.#used.delete(from)
    else this.#used.set(from, { entries: used.entries - 1, bytes: used.bytes - bytes })
  }

  /** Gives what comes in until the signal aborts or the inbox is closed. One reader at a time. */
  async *read(signal: AbortSignal): AsyncGenerator<T, void, void> {
    assert(!this.#reading, 'an inbox has one reader')
    this.#reading = true
    const wake = () => this.#wake()
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        for (const [place, waiting] of this.#waiting) {
          this.#waiting.delete(place)
          this.#release(place, waiting)
          yield waiting.value
          if (signal.aborted) return
        }
        if (this.#closed) return
        await this.#next(signal)
      }
    } finally {
      signal.removeEventListener('abort', wake)
      this.#reading = false
    }
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      if (this.#waiting.size > 0 || this.#closed || signal.aborted) resolve()
    })
  }

  /** Ends the reader once it has read what waits; nothing more is taken. */
  close(): void {
    this.#closed = true
    this.#wake()
  }
}

/** Counts by name. */
export class Counters {
  readonly #counts: Record<string, number> = {}

  add(name: string, count = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + count
  }

  all(): Readonly<Record<string, number>> {
    return { ...this.#counts }
  }
}

/** Wakes the one who waits; a ring while nobody waits is heard by the next who does. */
export class Bell {
  #rung = false
  #wake: () => void = () => {}

  ring(): void {
    this.#rung = true
    this.#wake()
  }

  async heard(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    this.#rung = false
  }
}
