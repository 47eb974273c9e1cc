import { Fault } from '../fault.ts'
import type { Ms } from '../units.ts'
import type { Operation } from './session.ts'

/** A server cuts the connection of who sends more than 1 MiB at once, without a word. */
export const transactionBytesMax = 768 * 1024
/** What a part takes beside its path and bytes, at most. */
const partBytes = 128

/** Throws Fault `invalid` for what is no path of a znode. */
export function checkPath(path: string): void {
  if (/^(\/|(\/[^/\0]+)+)$/.test(path)) return
  throw new Fault('invalid', `cannot use the path "${path}": it is no path of a znode`)
}

/** Throws Fault `invalid` where a transaction is too large for a server, or has no parts. */
export function checkTransaction(operations: readonly Operation[]): void {
  if (operations.length === 0) {
    throw new Fault('invalid', 'cannot make a transaction of no parts: it needs one at least')
  }
  for (const { path } of operations) checkPath(path)
  const bytes = operations.reduce((sum, operation) => sum + sizeOf(operation), 0)
  if (bytes <= transactionBytesMax) return
  const sizes = `it has ${bytes} bytes, ${transactionBytesMax} are allowed`
  throw new Fault('invalid', `cannot make a transaction: ${sizes}`)
}

const sizeOf = (operation: Operation): number =>
  partBytes +
  operation.path.length +
  (operation.op === 'create' || operation.op === 'set' ? operation.bytes.length : 0)

/** How often a session says that it is there, and confirms its lease, when nothing else does. */
export const beatMs = (timeoutMs: Ms): Ms => Math.floor(timeoutMs / 4)

/**
 * How long a server may be silent while it owes an answer, until it is left for another. A beat,
 * this and a new connection are less than the time of a lease that the beat before has confirmed.
 */
export const answerMsMax = (timeoutMs: Ms): Ms => Math.floor(timeoutMs / 3)

/**
 * How long a server may take to accept a session, from the first packet of TCP. While a lease runs
 * out the next server is tried soon; who has none yet can wait.
 */
export const consentMsMax = (timeoutMs: Ms, isNew: boolean): Ms =>
  isNew ? Math.max(1_000, Math.floor(timeoutMs / 2)) : Math.max(300, Math.floor(timeoutMs / 6))
