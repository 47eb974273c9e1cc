import { Fault, type FaultCode, type FaultOptions } from '../fault.ts'
import type { LostRequest } from './session.ts'

/** A Fault of a request whose fate is not known (`sent`), or that never left. */
export const lostRequest = (
  sent: boolean,
  message: string,
  options: FaultOptions = {}
): Fault & LostRequest => Object.assign(new Fault('unavailable', message, options), { sent })

/** Says whether a request that failed may have been carried out nevertheless. */
export const mayHaveHappened = (thrown: unknown): boolean =>
  !(thrown instanceof Fault) || ('sent' in thrown && thrown.sent === true)

/** Which part of a transaction was the first that was refused. */
export type RefusedPart = { readonly part: number }

/** A Fault of a transaction of which nothing happened, because of one of its parts. */
export const refusedPart = (part: number, code: FaultCode, message: string): Fault & RefusedPart =>
  Object.assign(new Fault(code, message), { part })

/** The part because of which a transaction was refused; undefined: it failed in another way. */
export const partRefused = (thrown: unknown): number | undefined =>
  thrown instanceof Fault && 'part' in thrown && typeof thrown.part === 'number'
    ? thrown.part
    : undefined
