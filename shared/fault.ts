/** Every code that a failure of ours may carry. Callers decide on the code, never on the text. */
export type FaultCode =
  | 'invalid' // the input breaks the schema or a rule; the sender must change it
  | 'not-found'
  | 'conflict' // it exists already, or has changed since it was read
  | 'forbidden'
  | 'unauthenticated'
  | 'capacity' // no host, pool or subnet has room
  | 'unavailable' // try again later: not leading, disk full, host away
  | 'deadline' // it took longer than was allowed
  | 'aborted' // the caller gave up
  | 'closed' // the connection or resource is gone
  | 'protocol' // the peer said something that cannot be
  | 'stale' // an epoch or generation lower than one already seen
  | 'corrupt' // stored bytes fail their checksum
  | 'locked' // another process holds it
  | 'command' // a program that we ran failed
  | 'hypervisor' // libvirt refused; the cause carries its own code
  | 'storage'
  | 'network'

/** What a Fault may say besides its sentence; `cause` is what was thrown by others. */
export type FaultOptions = ErrorOptions & {
  /** Why, one sentence with numbers each. */
  readonly reasons?: readonly string[]
  /** What the reader can do next: commands or sentences. */
  readonly next?: readonly string[]
}

/** A failure that we expect and a caller may handle. A bug is an AssertionError, never a Fault. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly reasons: readonly string[]
  readonly next: readonly string[]

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options)
    this.code = code
    this.reasons = options.reasons ?? []
    this.next = options.next ?? []
  }
}

/** Says whether something thrown is our Fault, with this code if one is given. */
export const isFault = (thrown: unknown, code?: FaultCode): thrown is Fault =>
  thrown instanceof Fault && (code === undefined || thrown.code === code)

/** The sentence of anything that was thrown, with its causes in brackets, for a log or a report. */
export function sentence(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  if (thrown.cause === undefined) return thrown.message
  const because = sentence(thrown.cause)
  // Who has put the cause into the message already need not hear it twice.
  return thrown.message.includes(because) ? thrown.message : `${thrown.message} (${because})`
}
