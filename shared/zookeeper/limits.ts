import { Fault } from '../fault.ts'
import type { Ms } from '../units.ts'
import type { Operation } from './session.ts'

/** A server cuts the connection of who sends more than 1 MiB at once, without a word. */
export const transactionBytesMax = 768 * 1024
/** What a part takes beside its path and bytes, at most. */
const partBytes = 128

/** Throws Fault `invalid` where a transaction is too large for a server, or has no parts. */
export function checkSize(operations: readonly Operation[]): void {
  if (operations.length === 0) {
    throw new Fault('invalid', 'cannot make a transaction of no parts: it needs one at least')
  }
  const bytes = operations.reduce((sum, operation) => sum + sizeOf(operation), 0)
  if (bytes <= transactionBytesMax) return
  const sizes = `it has ${bytes} bytes, ${transactionBytesMax} are allowed`
  throw new Fault('invalid', `cannot make a transaction: ${sizes}`)
}

const sizeOf = (operation: Operation): number =>
  partBytes +
  operation.path.length +
  (operation.op === 'create' || operation.op === 'set' ? operation.bytes.length : 0)

/**
 * How often a session confirms itself when nothing else is sent, and how long an answer may take
 * until the server is left for another. Twice this and a new connection are less than the session's
 * time, so that a session outlives a server that has gone silent.
 */
export const beatMs = (timeoutMs: Ms): Ms => Math.floor(timeoutMs / 4)
