import { Fault } from '#shared/fault.ts'

type Work = { readonly done: Promise<void>; readonly end: AbortController; waiters: number }

/**
 * Lets several callers wait for one piece of work that has a key, such as the fetching of an image.
 * Whoever gives up stops waiting; when the last one does, the work is given up too.
 */
export class SharedWork {
  readonly #works = new Map<string, Work>()

  /** Does the work, or joins in waiting if it is being done. */
  async join(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>
  ): Promise<void> {
    const shared = this.#works.get(key) ?? this.#start(key, work)
    shared.waiters += 1
    const gaveUp = Promise.withResolvers<never>()
    const giveUp = () =>
      gaveUp.reject(
        new Fault('aborted', `cannot wait for ${key}: given up`, { cause: signal.reason })
      )
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp)
    try {
      await Promise.race([shared.done, gaveUp.promise])
    } finally {
      signal.removeEventListener('abort', giveUp)
      shared.waiters -= 1
      if (shared.waiters === 0) await this.#stop(key, shared)
    }
  }

  /** Says whether work of this key is being done. */
  isBusy(key: string): boolean {
    return this.#works.has(key)
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<void>): Work {
    const end = new AbortController()
    const done = work(end.signal).finally(() => this.#forget(key, shared))
    done.catch(() => {})
    const shared: Work = { done, end, waiters: 0 }
    this.#works.set(key, shared)
    return shared
  }

  /** Nobody waits any more: whoever comes next starts anew, once this has ended. */
  async #stop(key: string, shared: Work): Promise<void> {
    this.#forget(key, shared)
    shared.end.abort()
    await shared.done.catch(() => {})
  }

  #forget(key: string, shared: Work): void {
    if (this.#works.get(key) === shared) this.#works.delete(key)
  }
}
