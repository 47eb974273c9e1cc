/**
 * The feed of what happens, for `GET /v1/events`: changes of resources, of their status, and
 * decisions, each with an id `EPOCH.SEQUENCE`. The last ones are kept in a ring, so that a client
 * that was away can go on where it was; one that was away too long is told to start anew.
 */
import type { Kind } from '#shared/model/index.ts'

/** One thing that has happened, with what a listener may choose it by. */
export type FeedItem = {
  readonly id: string
  readonly type: 'change' | 'decision'
  readonly kind?: Kind
  readonly subjects: readonly string[]
  readonly tenant?: string
  /** What is sent: serialised once for all who listen. */
  readonly json: string
}

/** Items that are kept for those who were away, and their characters. */
const ringMax = 5_000
const ringCharactersMax = 64 * 2 ** 20
/** Items that may wait for one listener, and theirs; a slower one is told to start anew. */
const backlogMax = 5_000
const backlogCharactersMax = 16 * 2 ** 20

type Listener = {
  readonly queue: FeedItem[]
  characters: number
  lost: boolean
  wake: () => void
}

/** Publishing never waits for a listener. */
export class Feed {
  readonly #ring: FeedItem[] = []
  readonly #listeners = new Set<Listener>()
  #epoch = 0
  #sequence = 0
  #characters = 0

  /** A new epoch: ids of an older one can no longer be resumed. */
  start(epoch: number): void {
    this.#epoch = epoch
    this.reset()
    this.#sequence = 0
  }

  /** What was told may not be so: everybody is to start anew. */
  reset(): void {
    this.#sequence += 1
    this.#ring.length = 0
    this.#characters = 0
    for (const listener of this.#listeners) lose(listener)
  }

  /** Id of the newest item: where a list stands. */
  get revision(): string {
    return `${this.#epoch}.${this.#sequence}`
  }

  get listeners(): number {
    return this.#listeners.size
  }

  publish(item: Omit<FeedItem, 'id'>): void {
    this.#sequence += 1
    const whole = { ...item, id: this.revision }
    this.#ring.push(whole)
    this.#characters += whole.json.length
    while (this.#ring.length > ringMax || this.#characters > ringCharactersMax) {
      this.#characters -= this.#ring.shift()!.json.length
    }
    for (const listener of this.#listeners) {
      listener.characters += whole.json.length
      const full = listener.queue.length >= backlogMax || listener.characters > backlogCharactersMax
      if (full) lose(listener)
      else listener.queue.push(whole)
      listener.wake()
    }
  }

  /**
   * Yields what happens from after an id on, in batches; from now on without one. Yields `reset`
   * when that id is not in the ring any more, or the listener was too slow: it must list again.
   */
  async *follow(
    after: string | undefined,
    signal: AbortSignal
  ): AsyncGenerator<readonly FeedItem[] | 'reset'> {
    const missed = after === undefined ? [] : this.#since(after)
    const lost = missed === undefined
    const listener: Listener = { queue: [], characters: 0, lost, wake: () => {} }
    this.#listeners.add(listener)
    const stop = (): void => listener.wake()
    signal.addEventListener('abort', stop)
    try {
      if (missed?.length) yield missed
      while (!signal.aborted) {
        if (listener.lost) {
          listener.lost = false
          yield 'reset'
        } else if (listener.queue.length > 0) {
          listener.characters = 0
          yield listener.queue.splice(0)
        } else {
          await new Promise<void>(resolve => {
            listener.wake = resolve
          })
        }
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#listeners.delete(listener)
    }
  }

  /** Everything after an id; undefined: it cannot be known any more. */
  #since(id: string): readonly FeedItem[] | undefined {
    const [epoch, sequence] = id.split('.').map(Number)
    if (epoch !== this.#epoch || sequence === undefined || !(sequence <= this.#sequence)) {
      return undefined
    }
    const first = this.#sequence - this.#ring.length
    return sequence < first ? undefined : this.#ring.slice(sequence - first)
  }
}

/** What waits for it is let go of at once: it will list what there is. */
function lose(listener: Listener): void {
  listener.lost = true
  listener.queue.length = 0
  listener.characters = 0
  listener.wake()
}
