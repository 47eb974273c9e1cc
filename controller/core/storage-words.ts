/** What hosts say of each other's heartbeats on shared storage. Only the view changes it. */
import type { Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { ReportStorage } from '#shared/wire/storage.ts'

/** What one host found when it last looked. Times are the controller's monotonic clock. */
export type StorageWord = {
  /** Name of the host that looked. */
  readonly by: string
  readonly pool: string
  /** The boot in which it was written. */
  readonly bootId: string
  readonly lookedAt: Ms
  /** For how long, up to that look, it had not changed at least. */
  readonly stillMs: Ms
  /** It was written after this; left out: it was never seen to change. */
  readonly writtenAfter?: Ms
}

/** When the devices of a host first read off under a fence, and which level of them that was. */
type Reading = { readonly fence: string; readonly level: number; readonly at: Ms }

/** By the UUID of whom they are about; and when devices first read off. */
export class StorageWords {
  readonly #words = new Map<string, Map<string, readonly StorageWord[]>>()
  readonly #subjects = new Map<string, ReadonlySet<string>>()
  /** By the name of the host. */
  readonly #readings = new Map<string, Reading>()

  /** A host has reported what it found; what it said before is forgotten. */
  tell(by: string, storage: readonly ReportStorage[], now: Ms): void {
    const before = this.#subjects.get(by)
    const subjects = new Set<string>()
    for (const { pool, seen } of storage) {
      for (const { host, bootId, ageMs, stillMs, writtenMs } of seen) {
        const base = { by, pool, bootId, lookedAt: now - ageMs, stillMs }
        const word = writtenMs === undefined ? base : { ...base, writtenAfter: now - writtenMs }
        this.#add(host, word, subjects.has(host))
        subjects.add(host)
      }
    }
    for (const host of before ?? []) if (!subjects.has(host)) this.#drop(host, by)
    if (subjects.size > 0) this.#subjects.set(by, subjects)
    else this.#subjects.delete(by)
  }

  /** Adds a word to those of the same report, or puts it in the place of those of the last one. */
  #add(host: string, word: StorageWord, isFurther: boolean): void {
    const known = this.#words.get(host)
    if (!known) this.#words.set(host, new Map([[word.by, [word]]]))
    else known.set(word.by, isFurther ? [...(known.get(word.by) ?? []), word] : [word])
  }

  #drop(host: string, by: string): void {
    const words = this.#words.get(host)
    words?.delete(by)
    if (words?.size === 0) this.#words.delete(host)
  }

  /** Forgets all that a host has said. */
  forget(by: string): void {
    for (const host of this.#subjects.get(by) ?? []) this.#drop(host, by)
    this.#subjects.delete(by)
  }

  /** What is said of a host, by the names of who says it. */
  of(uuid: string): readonly StorageWord[] {
    const words = [...(this.#words.get(uuid)?.values() ?? [])].flat()
    return words.sort((a, b) => (a.by < b.by || (a.by === b.by && a.pool < b.pool) ? -1 : 1))
  }

  /** Notes when it was first heard here that the devices of a host read off. */
  noteReading({ name, verdict, level }: FenceState, now: Ms): void {
    if (verdict?.verdict !== 'off-confirmed') return
    const { fence = '' } = verdict
    if (this.#readings.get(name)?.fence === fence) return
    this.#readings.set(name, { fence, level: Math.max(1, level), at: now })
  }

  /** When that was, for this very fence; undefined: they have not read off. */
  readOffAt(name: string, fence: string): Ms | undefined {
    return this.#reading(name, fence)?.at
  }

  /** Which level of them that was, from 1; bootd may be at another one by now. */
  readOffLevel(name: string, fence: string): number | undefined {
    return this.#reading(name, fence)?.level
  }

  #reading(name: string, fence: string): Reading | undefined {
    const reading = this.#readings.get(name)
    return reading?.fence === fence ? reading : undefined
  }

  /** A host is gone. */
  gone(name: string): void {
    this.forget(name)
    this.#readings.delete(name)
  }
}
