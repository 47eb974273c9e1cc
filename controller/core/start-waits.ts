import type { Ms } from '#shared/units.ts'

/**
 * Since when instances wait for others, on this controller's own clock. It is never recorded: a new
 * controller counts anew, so that whoever waits may wait longer, and nobody starts too soon.
 */
export class StartWaits {
  /** By the id of who waits, and of whom it waits for. */
  #since: ReadonlyMap<string, ReadonlyMap<string, Ms>> = new Map()

  /** Since when one waits for another one; undefined: it did not when this was looked at last. */
  since(instance: string, before: string): Ms | undefined {
    return this.#since.get(instance)?.get(before)
  }

  /** Takes over who waits now: pairs keep the moment at which they began. */
  keep(waiting: Iterable<readonly [instance: string, before: string]>, now: Ms): void {
    const since = new Map<string, Map<string, Ms>>()
    for (const [instance, before] of waiting) {
      const own = since.get(instance) ?? new Map<string, Ms>()
      own.set(before, this.since(instance, before) ?? now)
      since.set(instance, own)
    }
    this.#since = since
  }
}
