import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'

const ring = Symbol('rung')

/** Wakes one waiter; rung while nobody waits, it is heard at the next wait. */
export class Bell {
  #rung = false
  #wake: () => void = () => {}

  ring(): void {
    this.#rung = true
    this.#wake()
  }

  /** Waits until it is rung, but no longer than so; rejects when the signal aborts. */
  async heard(
    atMostMs: Ms,
    { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
  ) {
    signal.throwIfAborted()
    if (this.#rung) {
      this.#rung = false
      return
    }
    const waiting = new AbortController()
    const stop = (): void => waiting.abort(signal.reason)
    // Not a joint signal: those are made for waits that are few, and this is each round's.
    signal.addEventListener('abort', stop, { once: true })
    this.#wake = () => waiting.abort(ring)
    try {
      await clock.sleep(atMostMs, waiting.signal)
    } catch (thrown) {
      signal.throwIfAborted()
      if (waiting.signal.reason !== ring) throw thrown
    } finally {
      signal.removeEventListener('abort', stop)
      this.#wake = () => {}
      this.#rung = false
    }
  }
}
