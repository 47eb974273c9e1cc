import type { Ms } from '#shared/units.ts'

/**
 * Since when instances wait for others, on this controller's own clock. It is never recorded: a new
 * controller counts anew, so that whoever waits may wait longer, and nobody starts too soon.
 */
export class StartWaits {
  #since: ReadonlyMap<string, Ms> = new Map()

  /** Since when one waits for another one; undefined: it did not when this was looked at last. */
  since(instance: string, before: string): Ms | undefined {
    return this.#since.get(pairOf(instance, before))
  }

  /** Takes over who waits now: pairs keep the moment at which they began. */
  keep(waiting: Iterable<readonly [instance: string, before: string]>, now: Ms): void {
    const since = new Map<string, Ms>()
    for (const [instance, before] of waiting) {
      const pair = pairOf(instance, before)
      since.set(pair, this.#since.get(pair) ?? now)
    }
    this.#since = since
  }
}

const pairOf = (instance: string, before: string): string => `${instance} ${before}`
