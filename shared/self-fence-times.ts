/**
 * The times of a host's own end: the agent acts by them, and the controller relies on them. All are
 * ages of the host's lease, which counts from the sending of the heartbeat that was heard last.
 *
 *   0 ──────── pet ────────► pet no more ─────► it ends what ─────► limit: nothing of that
 *                            limit − time of    others could        runs, or the watchdog
 *                            the watchdog       start: an eighth    has reset the host
 *                                               of the limit before
 *
 * So the limit is what it says, also where nothing can be ended there. A watchdog that is slower
 * than the limit allows bites as soon as it can: a host whose lease is young is always pet.
 */
import type { Ms } from './units.ts'

/** Who has much to end gets more time for it by a longer limit. Unit: ms. */
const [endingMsMin, endingMsMax]: readonly [Ms, Ms] = [2_000, 10_000]
/** With a lease that is younger the watchdog is always pet: heartbeats may be late. Unit: ms. */
const youngMs: Ms = 5_000

/** What both sides know of it. */
export type SelfFenceTimes = { readonly limitMs: Ms; readonly watchdogMs: Ms }

/** How long before the limit a host begins to end what others could start. */
export const endingMs = (limitMs: Ms): Ms =>
  Math.min(endingMsMax, Math.max(endingMsMin, Math.floor(limitMs / 8)))

/** The age of the lease at which what others could start is ended. */
export const endsAfterMs = (limitMs: Ms): Ms => limitMs - endingMs(limitMs)

/** The age of the lease at which the watchdog has bitten, unless nothing was left to end. */
export const bittenAfterMs = ({ limitMs, watchdogMs }: SelfFenceTimes): Ms =>
  Math.max(limitMs, youngMs + watchdogMs)

/** The age of the lease from which the watchdog is not pet, unless nothing is left to end. */
export const petForMs = (times: SelfFenceTimes): Ms => bittenAfterMs(times) - times.watchdogMs
