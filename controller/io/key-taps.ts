import type { View } from '../core/view.ts'

/** Gives the keys that have changed since it was last asked. */
export type KeyTap = () => readonly string[]

/**
 * Lets several ask a view which keys have changed: a candidate that leads keeps two checkpoints of
 * it, the journal's and its own, and each is due at its own time.
 */
export class KeyTaps {
  readonly #view: View
  readonly #waiting: Set<string>[] = []

  constructor(view: View) {
    this.#view = view
  }

  /** Opens another one; it gives what changes from now on. */
  open(): KeyTap {
    this.#drain()
    const mine = new Set<string>()
    this.#waiting.push(mine)
    return () => {
      this.#drain()
      const keys = [...mine]
      mine.clear()
      return keys
    }
  }

  #drain(): void {
    for (const key of this.#view.takeDirty()) for (const each of this.#waiting) each.add(key)
  }
}
