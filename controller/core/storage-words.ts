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

/** By the UUID of whom they are about; and when devices first read off. */
export class StorageWords {
  readonly #words = new Map<string, Map<string, readonly StorageWord[]>>()
  readonly #subjects = new Map<string, ReadonlySet<string>>()
  /** By the name of the host. */
  readonly #readings = new Map<string, { readonly fence: string; readonly at: Ms }>()

  /** A host has reported what it found; what it said before is forgotten. */
  tell(by: string, storage: readonly ReportStorage[], now: Ms): void {
    this.forget(by)
    const words = storage.flatMap(({ pool, seen }) =>
      seen.map(({ host, bootId, ageMs, stillMs, writtenMs }) => {
        const written = writtenMs === undefined ? {} : { writtenAfter: now - writtenMs }
        return { host, word: { by, pool, bootId, lookedAt: now - ageMs, stillMs, ...written } }
      })
    )
    for (const [host, said] of Map.groupBy(words, ({ host }) => host)) {
      const known = this.#words.get(host) ?? new Map<string, readonly StorageWord[]>()
      known.set(
        by,
        said.map(({ word }) => word)
      )
      this.#words.set(host, known)
    }
    if (words.length > 0) this.#subjects.set(by, new Set(words.map(({ host }) => host)))
  }

  /** Forgets all that a host has said. */
  forget(by: string): void {
    for (const host of this.#subjects.get(by) ?? []) {
      const words = this.#words.get(host)
      words?.delete(by)
      if (words?.size === 0) this.#words.delete(host)
    }
    this.#subjects.delete(by)
  }

  /** What is said of a host, by the names of who says it. */
  of(uuid: string): readonly StorageWord[] {
    const words = [...(this.#words.get(uuid)?.values() ?? [])].flat()
    return words.sort((a, b) => (a.by < b.by || (a.by === b.by && a.pool < b.pool) ? -1 : 1))
  }

  /** Notes when it was first heard here that the devices of a host read off. */
  noteReading({ name, verdict }: FenceState, now: Ms): void {
    if (verdict?.verdict !== 'off-confirmed') return
    const { fence = '' } = verdict
    if (this.#readings.get(name)?.fence !== fence) this.#readings.set(name, { fence, at: now })
  }

  /** When that was, for this very fence; undefined: they have not read off. */
  readOffAt(name: string, fence: string): Ms | undefined {
    const reading = this.#readings.get(name)
    return reading?.fence === fence ? reading.at : undefined
  }

  /** A host is gone. */
  gone(name: string): void {
    this.forget(name)
    this.#readings.delete(name)
  }
}
