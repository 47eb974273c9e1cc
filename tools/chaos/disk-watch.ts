/** Reads the disk of a writer while it is written to, and notes when each record was first seen. */
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DiskRecord, readRecords, recordBytes } from './disk-log.ts'

/** Between two looks. Unit: ms. */
const lookMs = 20
/** So much is read at once. Unit: bytes. */
const pieceBytes = 128 * recordBytes
/** Nobody waits longer for a record. Unit: ms. */
const waitMsMax = 240_000

/** A record, and when it was seen on this machine's monotonic clock. Unit: ms. */
export type Seen = { readonly at: number; readonly record: DiskRecord | undefined }

/** The disk of one writer. */
export class DiskWatch implements AsyncDisposable {
  readonly path: string
  readonly #file: FileHandle
  readonly #seen: Seen[] = []
  readonly #ended = new AbortController()
  #looking: Promise<void> = Promise.resolve()

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  static async open(path: string): Promise<DiskWatch> {
    const watch = new DiskWatch(path, await open(path, 'r'))
    watch.#looking = watch.#look()
    return watch
  }

  /** What was seen last; undefined: nothing yet. */
  get last(): Seen | undefined {
    return this.#seen.at(-1)
  }

  /** Waits for the first record that is seen from now on and is one that is wanted. */
  async next(what: string, isWanted: (record: DiskRecord) => boolean): Promise<Seen> {
    const late = performance.now() + waitMsMax
    for (let from = this.#seen.length; ; await sleep(lookMs)) {
      for (; from < this.#seen.length; from += 1) {
        const seen = this.#seen[from]!
        if (seen.record && isWanted(seen.record)) return seen
      }
      if (performance.now() > late) {
        const last = JSON.stringify(this.last?.record)
        throw new Error(`waited ${waitMsMax} ms in vain until ${what}; the last record is ${last}`)
      }
    }
  }

  /** The longest time in which nothing new was seen, since a moment. Unit: ms. */
  gapSince(from: number): number {
    const times = this.#seen.map(({ at }) => at).filter(at => at >= from)
    const gaps = times.map((at, index) => at - (times[index - 1] ?? from))
    return Math.max(0, ...gaps)
  }

  /** Resolves after a time, or when this is disposed of. Unit: ms. */
  async quietFor(lastsMs: number): Promise<void> {
    await sleep(lastsMs, undefined, { signal: this.#ended.signal }).catch(() => {})
  }

  async #look(): Promise<void> {
    const bytes = Buffer.alloc(pieceBytes)
    while (!this.#ended.signal.aborted) {
      const position = this.#seen.length * recordBytes
      const { bytesRead } = await this.#file.read({ buffer: bytes, position })
      const at = performance.now()
      // What another writer has torn is judged at the end; here it only has its place.
      for (const record of readRecords(bytes.subarray(0, bytesRead)))
        this.#seen.push({ at, record })
      await sleep(lookMs, undefined, { signal: this.#ended.signal }).catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#looking
    await this.#file.close()
  }
}
