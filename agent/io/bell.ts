import type { Clock } from '#shared/clock.ts'
import type { Ms } from '#shared/units.ts'

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
    const rung = new AbortController()
    this.#wake = () => rung.abort()
    if (this.#rung) rung.abort()
    try {
      await clock.sleep(atMostMs, AbortSignal.any([rung.signal, signal]))
    } catch (thrown) {
      signal.throwIfAborted()
      if (!rung.signal.aborted) throw thrown
    } finally {
      this.#wake = () => {}
      this.#rung = false
    }
  }
}
