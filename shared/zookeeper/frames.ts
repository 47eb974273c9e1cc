import { Fault } from '../fault.ts'

/** A server's reply is at most so large; ours never ask for more than 1 MiB. */
export const frameBytesMax = 4 * 1024 * 1024

/**
 * Cuts a stream of bytes into packets, each with its length of 4 bytes in front. One belongs to one
 * connection and goes with it: half a packet of a connection that is gone is never read on.
 */
export class FrameCutter {
  #chunks: Buffer[] = []
  #bytes = 0
  #wanted = 4

  /** Gives the packets that are whole now. Fault `protocol` for a length that cannot be. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    // What is large comes in many pieces, which are only joined when all are there.
    if (this.#bytes < this.#wanted) return []
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes)
    const frames: Buffer[] = []
    for (;;) {
      this.#wanted = rest.length < 4 ? 4 : 4 + lengthOf(rest)
      if (rest.length < this.#wanted) break
      frames.push(rest.subarray(0, this.#wanted))
      rest = rest.subarray(this.#wanted)
    }
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#bytes = rest.length
    return frames
  }
}

function lengthOf(bytes: Buffer): number {
  const length = bytes.readInt32BE(0)
  if (length >= 0 && length <= frameBytesMax) return length
  const what = `it has ${length} bytes, 0 to ${frameBytesMax} are allowed`
  throw new Fault('protocol', `cannot read a packet: ${what}`)
}
