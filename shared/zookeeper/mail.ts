/** What the two threads of a session say to each other. Bytes are handed over, not copied. */
import { Fault, type FaultCode, sentence } from '../fault.ts'
import type { Level } from '../log.ts'
import type { Ms } from '../units.ts'
import type { Tls } from './connection.ts'
import { lostRequest } from './faults.ts'
import type { ZnodeEvent } from './packets.ts'
import type { Mark, Proof } from './proof.ts'

/** What the worker is given at its start. */
export type Commission = {
  readonly servers: readonly string[]
  readonly sessionMs: Ms
  readonly secret: string
  readonly tls: Tls | undefined
  /** A main thread that has not turned for so long is taken for hung. */
  readonly hungMs: Ms
  readonly shared: SharedArrayBuffer
}

/** From the session's object to the worker. */
export type ToWorker =
  | {
      readonly type: 'request'
      readonly id: number
      readonly frame: ArrayBuffer
      readonly marks: readonly Mark[]
    }
  | { readonly type: 'watch' | 'unwatch'; readonly path: string }
  | { readonly type: 'proof'; readonly proof: Proof }
  | { readonly type: 'close' }

/** From the worker to the session's object. */
export type FromWorker =
  | { readonly type: 'opened'; readonly id: string; readonly timeoutMs: Ms }
  | { readonly type: 'failed'; readonly fault: FaultMail }
  /** Replies of several requests in one piece of bytes; `ends` says where each ends. */
  | {
      readonly type: 'replies'
      readonly ids: readonly number[]
      readonly ends: readonly number[]
      readonly bytes: ArrayBuffer
    }
  | { readonly type: 'refusals'; readonly ids: readonly number[]; readonly fault: FaultMail }
  | { readonly type: 'changed'; readonly events: readonly ZnodeEvent[] }
  | { readonly type: 'missed' }
  | { readonly type: 'server'; readonly server: string | undefined }
  | { readonly type: 'ended'; readonly fault: FaultMail }
  | {
      readonly type: 'log'
      readonly level: Level
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }

/** A Fault in words that pass between threads. */
export type FaultMail = {
  readonly code: FaultCode
  readonly message: string
  readonly reasons: readonly string[]
  readonly next: readonly string[]
  readonly sent?: boolean
}

/** Writes down a Fault, with its causes as part of its sentence. */
export const packFault = (fault: Fault): FaultMail => ({
  code: fault.code,
  message: sentence(fault),
  reasons: fault.reasons,
  next: fault.next,
  ...('sent' in fault ? { sent: fault.sent === true } : {})
})

/** Makes the Fault again. */
export function unpackFault({ code, message, reasons, next, sent }: FaultMail): Fault {
  const options = { reasons, next }
  return sent === undefined
    ? new Fault(code, message, options)
    : lostRequest(sent, message, options)
}

/**
 * Memory that both threads see: until when the lease is ours, and when the main thread has last
 * turned. Both are microseconds of the kernel's monotonic clock; 0 is never.
 */
export const slots = { leaseUntil: 0, turnedAt: 1, count: 2 } as const

/** The kernel's monotonic clock, the same for all threads. Unit: ms. */
export function kernelMs(): Ms {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000 + nanoseconds / 1e6
}

/** Writes a moment into a slot. */
export const writeMoment = (moments: BigInt64Array, slot: number, at: Ms): void => {
  Atomics.store(moments, slot, BigInt(Math.floor(at * 1_000)))
}
/** Reads the moment of a slot; undefined: never. */
export function readMoment(moments: BigInt64Array, slot: number): Ms | undefined {
  const microseconds = Atomics.load(moments, slot)
  return microseconds === 0n ? undefined : Number(microseconds) / 1_000
}
