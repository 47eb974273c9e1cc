/**
 * What was decided about each subject, the last decisions of each. What no longer exists keeps its
 * history too, so that one can ask what became of it; but only so many, and those about which
 * something was decided last. Only the view's fold changes them.
 */
import type { Because } from './commit.ts'
import type { Position } from './ports.ts'

/** A decision with the place in the journal of the commit that it led to. */
export type Recorded = Because & { readonly position: Position }

/** Where the history of what no longer exists stands: another one may have its name by now. */
export type Ended = { readonly subject: string; readonly until: Position }

/** Decisions that are kept for one subject; older ones go. */
const historyMax = 64
/** Subjects that no longer exist and whose history is still kept. */
const goneMax = 10_000
/** Ids of what no longer exists by which its history can still be read. */
const endedMax = 10_000

/** A list is replaced when it grows, never altered: the checkpoint shares it. */
export class Histories {
  readonly #lists = new Map<string, readonly Recorded[]>()
  /** Subjects that do not exist, the one about which nothing was decided for longest first. */
  readonly #gone = new Set<string>()
  /** By id, what ended first stands first. */
  readonly #ended = new Map<string, Ended>()
  readonly #exists: (subject: string) => boolean
  readonly #changed: (key: string) => void

  constructor(options: {
    readonly exists: (subject: string) => boolean
    /** Told of the key of each stored value that is another one now. */
    readonly changed: (key: string) => void
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

  ended(id: string): Ended | undefined {
    return this.#ended.get(id)
  }

  endedIds(): Iterable<string> {
    return this.#ended.keys()
  }

  /** What was decided about something that no longer exists, by its id. */
  ofEnded(id: string): readonly Recorded[] {
    const ended = this.#ended.get(id)
    const list = ended && this.#lists.get(ended.subject)
    return list?.filter(({ position }) => position <= ended!.until) ?? []
  }

  /** Something of which there is a history is gone for good. */
  end(id: string, ended: Ended): void {
    if (!this.#lists.has(ended.subject)) return
    this.#ended.set(id, ended)
    this.#changed(`ended/${id}`)
    const oldest = this.#ended.keys().next().value
    if (this.#ended.size > endedMax && oldest !== undefined) this.begin(oldest)
  }

  /** It exists after all, or nobody needs to know any more. */
  begin(id: string): void {
    if (this.#ended.delete(id)) this.#changed(`ended/${id}`)
  }

  loadEnded(id: string, ended: Ended): void {
    this.#ended.set(id, ended)
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
    const ended = [...this.#ended].sort(([, a], [, b]) => a.until - b.until)
    this.#ended.clear()
    for (const [id, each] of ended) this.#ended.set(id, each)
  }

  #set(subject: string, list: readonly Recorded[]): void {
    this.#lists.set(subject, list)
    this.#changed(`history/${subject}`)
    this.#gone.delete(subject)
    this.moved(subject)
  }

  #drop(subject: string): void {
    this.#lists.delete(subject)
    this.#gone.delete(subject)
    this.#changed(`history/${subject}`)
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
