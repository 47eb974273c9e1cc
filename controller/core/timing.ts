/**
 * The chain of times on which "never twice" and "soon again" rest, in one place. Each link is
 * reckoned from those before it; what does not hold is refused when a controller starts.
 *
 *   heartbeat ─► silent enough to be suspected ─► proven off
 *       │                                            ▲
 *       └─► lease of a host ─► its limit ─► its watchdog bites ─► what we wait for without a device
 *   session ─► a new controller leads ─► all hosts hear it: sooner than any limit ends
 *
 * Each clock may run faster or slower than true time by `clockRateError`, so two that are compared
 * may differ by twice that.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import { heartbeatMs } from '#shared/wire/beat.ts'
import { clockRateError, reportMsMax } from '#shared/zookeeper/lease.ts'
import { livenessLimits } from './liveness.ts'
import { patience } from './suspicion-times.ts'

/** The shortest limit of a self-fence that can be set; as in the schema of hosts. Unit: ms. */
export const limitMsMin: Ms = 15_000
/** From the end of a session to a controller that sends heartbeats. Unit: ms. */
export const takeOverMs: Ms = 3_000
/** What no other link accounts for: a timer that is late, a turn that waits. Unit: ms. */
export const marginMs: Ms = 1_000

/** A time on our clock in which one of another clock has passed for certain. */
const surely = (ms: Ms): Ms => Math.ceil(ms * (1 + 2 * clockRateError))

/**
 * How long after a host sent the last heartbeat that may have given it a lease nothing of it that
 * others could start runs any more. Its watchdog counts twice: who had it open may die just before
 * it bites, and the kernel pets it once more when it closes it.
 */
export const expiryMs = (given: { readonly limitMs: Ms; readonly watchdogMs: Ms }): Ms =>
  surely(given.limitMs + 2 * given.watchdogMs) + marginMs

/** How long hosts may be without a controller when one dies; a shorter limit would fence all. */
export const withoutControllerMs = (sessionMs: Ms): Ms =>
  surely(sessionMs) + takeOverMs + patience.newcomerMs + 2 * heartbeatMs

/** One link of the chain, for people. */
export type Link = { readonly name: string; readonly ms: Ms; readonly because: string }

/** The chain as it is with these settings. */
export function timingChain({ sessionMs }: { readonly sessionMs: Ms }): readonly Link[] {
  return [
    { name: 'heartbeat', ms: heartbeatMs, because: 'each side says so often that it is alive' },
    { name: 'late', ms: livenessLimits.lateMs, because: '4 heartbeats are missing' },
    { name: 'suspect', ms: patience.suspectMs, because: '5 are missing, and peers agree' },
    { name: 'session', ms: sessionMs, because: 'silence after which another candidate may lead' },
    {
      name: 'lease',
      ms: Math.floor(sessionMs * (1 - 2 * clockRateError)) - reportMsMax,
      because: 'a controller acts no longer than this after it was last confirmed'
    },
    {
      name: 'take-over',
      ms: withoutControllerMs(sessionMs),
      because: 'session, election, dialling: hosts may be without a controller for so long'
    },
    {
      name: 'limit',
      ms: Math.max(limitMsMin, withoutControllerMs(sessionMs)),
      because: 'the shortest limit of a self-fence that a take-over does not exceed'
    }
  ]
}

/** Why settings do not hold, each with its numbers; empty: they do. */
export function timingProblems({ sessionMs }: { readonly sessionMs: Ms }): readonly string[] {
  const leaseMs = Math.floor(sessionMs * (1 - 2 * clockRateError)) - reportMsMax
  const problems: string[] = []
  // Half of it may pass until the next confirmation is due, and that must be answered, too.
  if (leaseMs < minimumLeaseMs) {
    problems.push(
      `sessionMs: a session of ${formatMs(sessionMs)} leaves a lease of ${formatMs(leaseMs)}; ` +
        `it must be ${formatMs(minimumLeaseMs)} at least`
    )
  }
  return problems
}

/** With a shorter lease every hiccup of the ensemble would depose a controller. Unit: ms. */
const minimumLeaseMs: Ms = 400

/** Why a host's limit does not go with a session; undefined: it does. */
export function limitProblem(limitMs: Ms, sessionMs: Ms): string | undefined {
  const needed = withoutControllerMs(sessionMs)
  if (limitMs >= needed) return undefined
  return (
    `a limit of ${formatMs(limitMs)} is shorter than a take-over may last: ` +
    `${formatMs(needed)} with sessions of ${formatMs(sessionMs)}`
  )
}
