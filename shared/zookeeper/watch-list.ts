import type { ZnodeEvent } from './packets.ts'

type Watcher = { readonly path: string; readonly children: boolean; isDue: boolean }

/** How the ensemble is told that a znode is watched, and no longer. */
export type Watching = { readonly begin: () => void; readonly end: () => void }

/** Who wants to be told of what. Changes that nobody has taken yet are told once. */
export class WatchList {
  readonly #watchers = new Set<Watcher>()
  readonly #ended: AbortSignal
  #bell = Promise.withResolvers<void>()

  constructor(ended: AbortSignal) {
    this.#ended = ended
    ended.addEventListener('abort', () => this.#ring())
  }

  /** Tells at once, then of each change, until its signal aborts; fails when the session ends. */
  async *watch(
    path: string,
    options: { readonly children?: boolean; readonly signal: AbortSignal },
    { begin, end }: Watching
  ): AsyncIterable<void> {
    const { children = false, signal } = options
    const watcher: Watcher = { path, children, isDue: true }
    const ring = () => this.#ring()
    this.#ended.throwIfAborted()
    this.#watchers.add(watcher)
    signal.addEventListener('abort', ring)
    begin()
    try {
      while (!signal.aborted) {
        this.#ended.throwIfAborted()
        if (watcher.isDue) {
          watcher.isDue = false
          yield
        } else await this.#bell.promise
      }
    } finally {
      signal.removeEventListener('abort', ring)
      this.#watchers.delete(watcher)
      if (!this.#ended.aborted) end()
    }
  }

  /** Tells those whom it concerns. */
  changed(events: readonly ZnodeEvent[]): void {
    let isHeard = false
    for (const watcher of this.#watchers) {
      const concerns = events.some(
        ({ path, what }) => path === watcher.path && (what === 'self' || watcher.children)
      )
      watcher.isDue ||= concerns
      isHeard ||= concerns
    }
    if (isHeard) this.#ring()
  }

  /** Tells everybody: nobody knows what was missed. */
  all(): void {
    for (const watcher of this.#watchers) watcher.isDue = true
    this.#ring()
  }

  #ring(): void {
    const bell = this.#bell
    this.#bell = Promise.withResolvers<void>()
    bell.resolve()
  }
}
