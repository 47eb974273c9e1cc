import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Position } from '../../core/ports.ts'

/** Commits that may wait for a write; more are refused. */
export const waitingMax = 8192
/** Bytes of all commits that may wait, as they are encoded. */
export const waitingBytesMax = 64 * 2 ** 20
/** Commits that share one write, and their bytes; one commit goes always. */
export const sharedMax = 1024
const sharedBytesMax = 2 * 2 ** 20

/** A commit that waits to be written, and who waits for it. */
export type Waiting = {
  readonly body: Uint8Array
  readonly epoch: Epoch
  readonly resolve: (position: Position) => void
  readonly reject: (fault: Fault) => void
}

/** Commits that wait while a write is under way; the next write takes them together. */
export class AppendQueue {
  #waiting: Waiting[] = []
  #bytes = 0

  get size(): number {
    return this.#waiting.length
  }

  /** Puts a commit last; Fault `unavailable` when the queue is full. */
  add(body: Uint8Array, epoch: Epoch): Promise<Position> {
    if (this.#waiting.length >= waitingMax || this.#bytes + body.length > waitingBytesMax) {
      const full = `${this.#waiting.length} commits of ${this.#bytes} bytes wait already`
      throw new Fault('unavailable', `cannot append to the journal: ${full}`, {
        reasons: [`at most ${waitingMax} commits of ${waitingBytesMax} bytes may wait`],
        next: ['try again in a moment']
      })
    }
    this.#bytes += body.length
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, epoch, resolve, reject })
    })
  }

  /** Takes the first ones, as many as one write may hold; one goes always, however long it is. */
  take(bytesMax = sharedBytesMax): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const { body } of this.#waiting) {
      if (count > 0 && (count >= sharedMax || bytes + body.length > bytesMax)) break
      bytes += body.length
      count += 1
    }
    this.#bytes -= bytes
    return this.#waiting.splice(0, count)
  }

  /** Tells everyone who waits that it failed. */
  rejectAll(fault: Fault): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    for (const { reject } of waiting) reject(fault)
  }
}
