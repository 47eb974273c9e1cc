import { setTimeout as sleep } from 'node:timers/promises'

/** Wakes whoever waits: rung while nobody waits, it wakes the next one at once. */
export type Bell = {
  readonly ring: () => void
  /** Resolves when it is rung, after a time, or when the signal aborts, whichever is first. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Makes a bell that nobody has rung yet. */
export function makeBell(): Bell {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring: () => {
      rung = true
      wake?.()
    },
    wait: async (ms, signal) => {
      const woken = new AbortController()
      wake = () => woken.abort()
      if (!rung) {
        const either = AbortSignal.any([signal, woken.signal])
        await sleep(ms, undefined, { signal: either }).catch(() => {})
      }
      wake = undefined
      rung = false
    }
  }
}
