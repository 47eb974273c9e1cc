/** What is wrong now, part by part, and since when it is. */
import type { Ms } from '#shared/units.ts'
import type { BootReport } from '#shared/wire/boot.ts'

const textMax = 512

/** Remembers what is wrong with each part. */
export class Problems<Part extends string> {
  readonly #problems = new Map<Part, { readonly text: string; readonly since: Ms }>()

  /** Says what is wrong with a part; undefined: nothing. Gives whether that is news. */
  set(of: Part, text: string | undefined, wall: Ms): boolean {
    const before = this.#problems.get(of)
    if (before?.text === text) return false
    // Other words, such as a count that grows, do not make it another trouble.
    if (text === undefined) this.#problems.delete(of)
    else this.#problems.set(of, { text, since: before?.since ?? wall })
    return true
  }

  /** Whether something is wrong with a part. */
  has(of: Part): boolean {
    return this.#problems.has(of)
  }

  /** All of it as it is reported; since when the youngest is there. */
  report(): Pick<BootReport, 'problem' | 'problemSince'> {
    const all = [...this.#problems.values()]
    if (all.length === 0) return {}
    const problem = all.map(({ text }) => text).join('; ')
    const since = Math.max(...all.map(one => one.since))
    return { problem: problem.slice(0, textMax), problemSince: new Date(since).toISOString() }
  }
}
