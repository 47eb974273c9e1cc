/** Cutting the chunks of a checkpoint into pieces that transactions can take, and writing them. */
import { hash as digest } from 'node:crypto'
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { checkpointPath } from './zookeeper-znodes.ts'

/** Longest piece, and bytes of pieces in one transaction. */
const pieceBytesMax = 512 * 1024
const transactionBytes = 640 * 1024
/** Transactions that are on their way at once: entries that are written want their turn. */
const transactionsMax = 2
/** Pieces of one folder, and in one transaction. */
const folderPieces = 4096
const piecesMax = 256

/** Where a chunk is: the pieces from a number on, of the checkpoint that wrote them. */
export type ListedPieces = {
  readonly serial: number
  readonly first: number
  readonly pieces: number
  readonly bytes: number
  readonly sha256: string
}

/** Paths of a chunk's pieces. */
export const piecesOf = ({ serial, first, pieces }: ListedPieces): readonly string[] =>
  Array.from({ length: pieces }, (_, at) => piecePath(serial, first + at))

const folderPath = (serial: number, piece: number): string =>
  `${checkpointPath}/${serial}.${Math.floor(piece / folderPieces)}`
const piecePath = (serial: number, piece: number): string =>
  `${folderPath(serial, piece)}/${String(piece).padStart(8, '0')}`

/** Writes the pieces of one checkpoint, several chunks to a transaction. */
export class PieceWriter {
  readonly #session: ZooKeeperSession
  readonly #guard: Operation
  readonly #serial: number
  readonly #flights = new Set<Promise<void>>()
  #failure: { readonly thrown: unknown } | undefined
  #operations: Operation[] = []
  #bytes = 0
  #count = 0

  constructor(given: {
    readonly session: ZooKeeperSession
    readonly guard: Operation
    readonly serial: number
  }) {
    this.#session = given.session
    this.#guard = given.guard
    this.#serial = given.serial
  }

  /** Takes a chunk and says where it will be; resolves when there is room for the next one. */
  async put(bytes: Uint8Array): Promise<ListedPieces> {
    this.throwIfFailed()
    const first = this.#count
    for (let at = 0; at < bytes.length || at === 0; at += pieceBytesMax) {
      await this.#add(bytes.subarray(at, at + pieceBytesMax))
    }
    const pieces = this.#count - first
    const sha256 = digest('sha256', bytes)
    return { serial: this.#serial, first, pieces, bytes: bytes.length, sha256 }
  }

  /** Sends what is left and resolves when nothing is on its way any more, however it went. */
  async landed(): Promise<void> {
    if (!this.#failure) this.#send()
    await Promise.all(this.#flights)
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.thrown
  }

  async #add(bytes: Uint8Array): Promise<void> {
    const isFull = this.#bytes + bytes.length > transactionBytes
    if (isFull || this.#operations.length >= piecesMax) this.#send()
    while (this.#flights.size >= transactionsMax) await Promise.race(this.#flights)
    const number = this.#count
    this.#count += 1
    if (number % folderPieces === 0) {
      const path = folderPath(this.#serial, number)
      this.#operations.push({ op: 'create', path, bytes: new Uint8Array() })
    }
    const path = piecePath(this.#serial, number)
    // The caller may reuse its bytes as soon as it has our answer.
    this.#operations.push({ op: 'create', path, bytes: Uint8Array.from(bytes) })
    this.#bytes += bytes.length
  }

  #send(): void {
    if (this.#operations.length === 0) return
    const operations = [this.#guard, ...this.#operations]
    this.#operations = []
    this.#bytes = 0
    const flight = this.#session
      .transact(operations)
      .then(
        () => {},
        thrown => {
          this.#failure ??= { thrown }
        }
      )
      .finally(() => this.#flights.delete(flight))
    this.#flights.add(flight)
  }
}
