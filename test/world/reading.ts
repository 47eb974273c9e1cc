/** Waiting for what a mesh hears and counts, without a wait that is a guess. */
import assert from 'node:assert/strict'

/** Nothing that is waited for may take longer; it takes far less. */
export const patienceMs = 20_000

/** Reads what comes in until something that is looked for; what came before is skipped. */
export class Reading<T> implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #messages: AsyncIterator<T>

  constructor(read: (signal: AbortSignal) => AsyncIterable<T>) {
    this.#messages = read(this.#stop.signal)[Symbol.asyncIterator]()
  }

  /** The next that fits; fails when none comes. */
  async next<Found extends T>(fits: (message: T) => message is Found): Promise<Found>
  async next(fits?: (message: T) => boolean): Promise<T>
  async next(fits: (message: T) => boolean = () => true): Promise<T> {
    const late = setTimeout(() => this.#stop.abort(), patienceMs)
    try {
      for (;;) {
        const { done, value } = await this.#messages.next()
        assert(!done, 'what was waited for has not come')
        if (fits(value)) return value
      }
    } finally {
      clearTimeout(late)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#messages.return?.()
  }
}

/** How often something happened to a mesh, by the name of the counter. */
export const counted = (
  mesh: { counters(): Readonly<Record<string, number>> },
  name: string
): number => mesh.counters()[name] ?? 0

/** Looks again and again, at the pace of the event loop, until something is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const from = performance.now()
  while (!isSo()) {
    assert(performance.now() - from < patienceMs, 'what was waited for has not come about')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
