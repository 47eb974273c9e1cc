import type { Ms } from '#shared/units.ts'

/** How often something may happen. */
export type Rate = {
  /** How often in the long run. Unit: count per second. */
  readonly perSecond: number
  /** How often at once. */
  readonly burst: number
}

type Bucket = { readonly tokens: number; readonly at: Ms }

/** Limits how often something happens for each key; keys unused for longest are forgotten first. */
export class RateLimit {
  readonly #rate: Rate
  readonly #keysMax: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate, keysMax = 4_096) {
    this.#rate = rate
    this.#keysMax = keysMax
  }

  /** Says whether it may happen once more now, and counts it if so. */
  take(key: string, now: Ms): boolean {
    const { perSecond, burst } = this.#rate
    const before = this.#buckets.get(key) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, before.tokens + ((now - before.at) / 1_000) * perSecond)
    const allowed = tokens >= 1
    this.#buckets.delete(key)
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at: now })
    if (this.#buckets.size > this.#keysMax) {
      const [oldest] = this.#buckets.keys()
      this.#buckets.delete(oldest!)
    }
    return allowed
  }
}
