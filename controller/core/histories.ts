/**
 * What was decided about each subject, the last decisions of each. What no longer exists keeps its
 * history too, so that one can ask what became of it; but only so many, and those about which
 * something was decided last. Only the view's fold changes them.
 */
import type { Because } from './commit.ts'
import type { Position } from './ports.ts'

/** A decision with the place in the journal of the commit that it led to. */
export type Recorded = Because & { readonly position: Position }

/** Decisions that are kept for one subject; older ones go. */
const historyMax = 64
/** Subjects that no longer exist and whose history is still kept. */
const goneMax = 10_000

/** A list is replaced when it grows, never altered: the checkpoint shares it. */
export class Histories {
  readonly #lists = new Map<string, readonly Recorded[]>()
  /** Subjects that do not exist, the one about which nothing was decided for longest first. */
  readonly #gone = new Set<string>()
  readonly #exists: (subject: string) => boolean
  readonly #changed: (subject: string) => void

  constructor(options: {
    readonly exists: (subject: string) => boolean
    /** Told of each subject whose history is another one now. */
    readonly changed: (subject: string) => void
  }) {
    this.#exists = options.exists
    this.#changed = options.changed
  }

  get(subject: string): readonly Recorded[] | undefined {
    return this.#lists.get(subject)
  }

  subjects(): Iterable<string> {
    return this.#lists.keys()
  }

  /** Adds a decision; one that is in already is not added again. */
  remember(decision: Because, position: Position): void {
    const recorded = { ...decision, position }
    for (const subject of decision.subjects) {
      const list = this.#lists.get(subject) ?? []
      if ((list.at(-1)?.position ?? 0) > position) continue
      if (list.some(other => other.position === position && same(other, decision))) continue
      this.#set(subject, [...list.slice(1 - historyMax), recorded])
    }
    this.#trim()
  }

  /** Takes back what a commit at a position has added. */
  forget(subject: string, position: Position): void {
    const list = this.#lists.get(subject)?.filter(other => other.position !== position) ?? []
    if (list.length > 0) this.#set(subject, list)
    else this.#drop(subject)
  }

  /** A subject has come or gone. */
  moved(subject: string): void {
    if (this.#exists(subject)) this.#gone.delete(subject)
    else if (this.#lists.has(subject)) this.#gone.add(subject)
  }

  /** Takes a stored list back in; `loaded` follows when all that exists is known. */
  load(subject: string, list: readonly Recorded[]): void {
    this.#lists.set(subject, list)
  }

  loaded(): void {
    const last = (subject: string): Position => this.#lists.get(subject)?.at(-1)?.position ?? 0
    const gone = [...this.#lists.keys()].filter(subject => !this.#exists(subject))
    this.#gone.clear()
    for (const subject of gone.sort((a, b) => last(a) - last(b))) this.#gone.add(subject)
  }

  #set(subject: string, list: readonly Recorded[]): void {
    this.#lists.set(subject, list)
    this.#changed(subject)
    this.#gone.delete(subject)
    this.moved(subject)
  }

  #drop(subject: string): void {
    this.#lists.delete(subject)
    this.#gone.delete(subject)
    this.#changed(subject)
  }

  #trim(): void {
    for (const subject of this.#gone) {
      if (this.#gone.size <= goneMax) return
      this.#drop(subject)
    }
  }
}

const same = (a: Because, b: Because): boolean =>
  a.verb === b.verb && a.because === b.because && a.by === b.by
