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
  'peers',
  'fence-orders',
  'fence-report',
  'boot-plan',
  'boot-report'
]

/** A message that waits to be sent. */
export type Outgoing = { readonly type: string; readonly bytes: Uint8Array }

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
    const bytes = this.#bytes + message.bytes.length
    if (this.#others.length >= entriesMax || bytes > bytesMax) return 'full'
    this.#bytes = bytes
    this.#others.push(message)
    return 'queued'
  }

  /** The message that is to be sent next. */
  first(): Outgoing | undefined {
    if (this.#states.size === 0) return this.#others[0]
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
      this.#bytes -= message.bytes.length
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
  readonly key?: string | undefined
}

/** What waits to be read; a state is of no weight, since there is but one of each. */
type Waiting<T> = Arrived & { readonly value: T }

/** What waits of one sender. */
type Waits<T> = {
  /** At most one of each key, so very few. */
  readonly states: Waiting<T>[]
  entries: number
  bytes: number
}

/** What has come in from all peers and waits to be read by the one reader, in order. */
export class Inbox<T> {
  readonly #waiting = new Set<Waiting<T>>()
  /** Those of whom something waits. */
  readonly #senders = new Map<string, Waits<T>>()
  readonly #bounds: Bounds
  #closed = false
  #reading = false
  #wake: () => void = () => {}

  constructor(bounds: Bounds = queueBounds) {
    this.#bounds = bounds
  }

  /** Takes what came in; says that there is no room for more of this sender. */
  put(value: T, { from, bytes, key }: Arrived): 'queued' | 'replaced' | 'full' {
    if (this.#closed) return 'full'
    const sender = this.#senders.get(from)
    const waiting = { value, from, bytes, key }
    if (key !== undefined) return this.#putState(sender, waiting, key)
    const { entriesMax, bytesMax } = this.#bounds
    if (bytes > bytesMax) return 'full'
    if (sender && (sender.entries >= entriesMax || sender.bytes + bytes > bytesMax)) return 'full'
    const known = sender ?? this.#newSender(from)
    known.entries++
    known.bytes += bytes
    return this.#add(waiting)
  }

  #putState(sender: Waits<T> | undefined, state: Waiting<T>, key: string): 'queued' | 'replaced' {
    const known = sender ?? this.#newSender(state.from)
    const place = known.states.findIndex(other => other.key === key)
    const before = known.states[place]
    if (before !== undefined) this.#waiting.delete(before)
    known.states[before === undefined ? known.states.length : place] = state
    this.#add(state)
    return before === undefined ? 'queued' : 'replaced'
  }

  #newSender(from: string): Waits<T> {
    const sender = { states: [], entries: 0, bytes: 0 }
    this.#senders.set(from, sender)
    return sender
  }

  #add(waiting: Waiting<T>): 'queued' {
    this.#waiting.add(waiting)
    this.#wake()
    return 'queued'
  }

  #take(waiting: Waiting<T>): T {
    this.#waiting.delete(waiting)
    const { from, bytes, key, value } = waiting
    const sender = this.#senders.get(from)
    if (sender === undefined) return value
    if (key !== undefined) sender.states.splice(sender.states.indexOf(waiting), 1)
    else {
      sender.entries--
      sender.bytes -= bytes
    }
    if (sender.entries === 0 && sender.states.length === 0) this.#senders.delete(from)
    return value
  }

  /**
   * Gives what comes in until the signal aborts or the inbox is closed. One reader at a time.
   *
   * It is written out and no generator, which would take three turns for each message.
   */
  read(signal: AbortSignal): AsyncIterableIterator<T, void, void> {
    let state: 'new' | 'reading' | 'ended' = 'new'
    const wake = () => this.#wake()
    const begin = (): void => {
      assert(!this.#reading, 'an inbox has one reader')
      this.#reading = true
      state = 'reading'
      signal.addEventListener('abort', wake)
    }
    const end = (): { done: true; value: undefined } => {
      if (state === 'reading') this.#reading = false
      state = 'ended'
      signal.removeEventListener('abort', wake)
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        if (state === 'new') begin()
        while (state === 'reading' && !signal.aborted) {
          for (const waiting of this.#waiting) return { done: false, value: this.#take(waiting) }
          if (this.#closed) break
          await this.#next(signal)
        }
        return end()
      },
      return: async () => end(),
      [Symbol.asyncIterator]() {
        return this
      }
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
    if (this.#rung) return
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
