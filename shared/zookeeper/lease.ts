/**
 * Until when a session that holds the lease may act.
 *
 * ZooKeeper ends a session when its leader has not heard of it for the session's time. An answered
 * request shows that the server which we are connected to has heard of us at its sending or later.
 * That is not yet the leader: a server that follows reports the sessions that it heard of only when
 * the leader asks, every half tick. When the two are cut off from each other between our request
 * and that report, the leader counts from the report before. So a transaction that confirms the
 * lease proves less than it seems to: it shows that the two were connected when it was carried out,
 * hence that what we sent so much earlier has been reported. The lease counts from that sending.
 *
 * Only connecting is different: the leader itself is asked whether the session still lives.
 */
import type { Ms } from '../units.ts'

/** Within so long a server reports a session to its leader: a tick, twice what it should take. */
export const reportMsMax: Ms = 500
/** Clocks of two machines may differ in rate by so much, in parts of one. */
export const clockRateError = 0.01
/** Sendings closer together than this count as the first of them. */
const grainMs: Ms = 20

/** Keeps the sendings that count, and the moment until which the lease is ours. */
export type Lease = {
  /** A server has taken our session over; the request for it was sent at this moment. */
  readonly connected: (sentAt: Ms) => void
  /** A request that was sent at this moment has been answered. */
  readonly answered: (sentAt: Ms) => void
  /** A transaction that was sent at this moment has checked the proof. */
  readonly confirmed: (sentAt: Ms) => void
  readonly until: () => Ms | undefined
}

/** Makes the reckoning of a session that lives so long without being heard of. */
export function makeLease(timeoutMs: Ms): Lease {
  const lengthMs = timeoutMs * (1 - 2 * clockRateError)
  let touches: Ms[] = []
  let reported: Ms | undefined
  let until: Ms | undefined
  const report = (sentAt: Ms) => {
    const count = touches.findIndex(touch => touch > sentAt - reportMsMax)
    const passed = touches.splice(0, count === -1 ? touches.length : count)
    reported = passed.at(-1) ?? reported
  }
  return {
    connected: sentAt => {
      touches = []
      reported = sentAt
    },
    answered: sentAt => {
      report(sentAt)
      if (sentAt >= (touches.at(-1) ?? -Infinity) + grainMs) touches.push(sentAt)
    },
    confirmed: sentAt => {
      report(sentAt)
      if (reported !== undefined) until = Math.max(until ?? -Infinity, reported + lengthMs)
    },
    until: () => until
  }
}
