/**
 * The chain of times on which "never twice" and "soon again" rest, in one place. Each link is
 * reckoned from those before it; what does not hold is refused when a controller starts.
 *
 *   heartbeat ─► silent enough to be suspected ─► proven off
 *       │                                            ▲
 *       └─► lease of a host ─► its limit ─► its watchdog bites ─► what we wait for without a device
 *   session ─► a new controller leads ─► all hosts hear it: sooner than any limit ends
 *   trace ─► from where a new controller counts
 *
 * A lease counts from the sending of the heartbeat that is echoed, and what we wait for without a
 * device from the last of them. Whoever leads next has echoed none: it counts from the last trace
 * of the controller before that it has seen (io/election/zookeeper-trace.ts), not from its own
 * beginning, which is a session and an election later. That is safe since a controller echoes no
 * heartbeat that it has not heard before it sent a trace that was then acknowledged; and it leaves
 * one so often that leases are older by `traceMs` at most, which `withoutControllerMs` counts.
 *
 * Each clock may run faster or slower than true time by `clockRateError`, so two that are compared
 * may differ by twice that.
 */
import { bittenAfterMs, endsAfterMs, type SelfFenceTimes } from '#shared/self-fence-times.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { heartbeatMs, petMs } from '#shared/wire/beat.ts'
import { clockRateError, reportMsMax } from '#shared/zookeeper/lease.ts'
import { livenessLimits } from './liveness.ts'
import { inattentiveMs, type Patience, patience } from './suspicion-times.ts'
import type { View } from './view.ts'

/** The shortest limit of a self-fence that can be set; as in the schema of hosts. Unit: ms. */
export const limitMsMin: Ms = 15_000
/** From the end of a session to a controller that sends heartbeats. Unit: ms. */
export const takeOverMs: Ms = 3_000
/**
 * How often a controller shows the others that it leads: leases count from before the last time.
 * Unit: ms.
 */
export const traceMs: Ms = 500
/** What no other link accounts for: a timer that is late, a turn that waits. Unit: ms. */
export const marginMs: Ms = 1_000

/** A time on our clock in which one of another clock has passed for certain. */
const surely = (ms: Ms): Ms => Math.ceil(ms * (1 + 2 * clockRateError))

/** Whether its watchdog is held open also when its agent dies, beside the times. */
type Expiring = SelfFenceTimes & { readonly kept: boolean }

/**
 * How long after a host sent the last heartbeat that may have given it a lease nothing of it that
 * others could start runs any more. An agent of before pets its watchdog up to the limit, and holds
 * it open itself: it may die just before it bites, and the kernel pets it once more as it closes.
 */
export const expiryMs = (given: Expiring): Ms => surely(endedAfterMs(given)) + marginMs

/** The same by the host's own clock. */
export const endedAfterMs = ({ kept, ...times }: Expiring): Ms =>
  kept ? bittenAfterMs(times) : times.limitMs + 2 * times.watchdogMs

/** How long hosts may be without a controller when one dies; a shorter limit would fence all. */
export const withoutControllerMs = (sessionMs: Ms): Ms =>
  surely(sessionMs) + takeOverMs + patience.newcomerMs + 2 * heartbeatMs + traceMs

/** The shortest limit that can be set where sessions are so long: full seconds. */
export function leastLimitMs(sessionMs: Ms): Ms {
  const needed = withoutControllerMs(sessionMs)
  let limitMs = limitMsMin
  while (endsAfterMs(limitMs) < needed) limitMs += 1_000
  return limitMs
}

/** One link of the chain, for people. */
export type Link = { readonly name: string; readonly ms: Ms; readonly because: string }

/** The chain as it is with these settings; without a session it ends with the silence. */
export function timingChain({ sessionMs }: Pick<TimingSettings, 'sessionMs'>): readonly Link[] {
  const { suspectMs, hungMs, unwitnessedMs } = patience
  const alone: readonly Link[] = [
    { name: 'heartbeat', ms: heartbeatMs, because: 'each side says so often that it is alive' },
    { name: 'late', ms: livenessLimits.lateMs, because: '4 heartbeats are missing' },
    { name: 'suspect', ms: suspectMs, because: '5 are missing, and peers agree' },
    { name: 'hung', ms: hungMs, because: 'its machine takes calls, or a whole rack is silent' },
    { name: 'unwitnessed', ms: unwitnessedMs, because: 'no peer could look for it' }
  ]
  if (sessionMs === undefined) return alone
  return [
    ...alone,
    { name: 'session', ms: sessionMs, because: 'silence after which another candidate may lead' },
    {
      name: 'lease',
      ms: leaseOf(sessionMs),
      because: 'a controller acts no longer than this after it was last confirmed'
    },
    {
      name: 'trace',
      ms: traceMs,
      because: 'a controller leaves one so often, and leases count from before it'
    },
    {
      name: 'take-over',
      ms: withoutControllerMs(sessionMs),
      because: 'session, election, dialling: hosts may be without a controller for so long'
    },
    {
      name: 'limit',
      ms: leastLimitMs(sessionMs),
      because: 'the shortest limit of a self-fence that a take-over does not exceed'
    }
  ]
}

/** One inequality of the chain: `left` must not exceed `right`. */
export type Rule = {
  readonly name: string
  readonly left: { readonly says: string; readonly ms: Ms }
  readonly right: { readonly says: string; readonly ms: Ms }
  readonly holds: boolean
  /** What would happen otherwise. */
  readonly because: string
}

/** What the rules are worked out of. */
export type TimingSettings = {
  /** Undefined: nobody else could lead, and there is no session. */
  readonly sessionMs: Ms | undefined
  readonly limits?: readonly HostLimit[]
}

/** The limit of a host that fences itself, and how long its armed watchdog takes. */
export type HostLimit = {
  readonly host: string
  readonly limitMs: Ms
  readonly watchdogMs?: Ms
  readonly kept?: boolean
}

/** The limits that are set on hosts. */
export function limitsOf(view: View): readonly HostLimit[] {
  return [...view.all('host').values()].flatMap(({ name: host, spec, decided }) => {
    const limitMs = decided.selfFence?.limitMs ?? spec.selfFence?.limitMs
    const armed = decided.selfFence?.armed
    if (limitMs === undefined) return []
    const { timeoutMs: watchdogMs, kept = false } = armed ?? {}
    return [{ host, limitMs, kept, ...(watchdogMs !== undefined && { watchdogMs }) }]
  })
}

/** All inequalities with their numbers; those of a session are left out where there is none. */
export function timingRules({ sessionMs, limits = [] }: TimingSettings): readonly Rule[] {
  return [
    ...rulesOfSilence(patience),
    ...(sessionMs === undefined ? [] : rulesOfSession(sessionMs)),
    ...limits.flatMap(limit => rulesOfLimit(limit, sessionMs))
  ]
}

const rule = (
  name: string,
  [leftSays, leftMs]: readonly [string, Ms],
  [rightSays, rightMs]: readonly [string, Ms],
  because: string
): Rule => ({
  name,
  left: { says: leftSays, ms: leftMs },
  right: { says: rightSays, ms: rightMs },
  holds: leftMs <= rightMs,
  because
})

/** Of the times that a silence is judged by. */
function rulesOfSilence(times: Patience): readonly Rule[] {
  const { suspectMs, hungMs, unwitnessedMs, newcomerMs, brakeMs } = times
  const { lateMs } = livenessLimits
  return [
    rule('late', ['4 heartbeats', 4 * heartbeatMs], ['late', lateMs], 'a lost one says nothing'),
    rule(
      'listening',
      ['a gap in our own listening', inattentiveMs],
      ['late', lateMs],
      'we would take others for late who have only waited for us'
    ),
    rule(
      'brake',
      ['missing for the brake + 2 heartbeats', brakeMs + 2 * heartbeatMs],
      ['suspect', suspectMs],
      'the first of many would be fenced before the others count'
    ),
    rule('hung', ['suspect', suspectMs], ['hung', hungMs], 'a sign of life would count for death'),
    rule(
      'unwitnessed',
      ['hung', hungMs],
      ['unwitnessed', unwitnessedMs],
      'where nobody could look, more patience is due than where somebody did'
    ),
    rule(
      'newcomer',
      ['suspect', suspectMs],
      ['newcomer', newcomerMs],
      'a new controller has to dial hosts first'
    )
  ]
}

/** Of the session of a candidate, and of the lease that it gives. */
function rulesOfSession(sessionMs: Ms): readonly Rule[] {
  const leaseMs = leaseOf(sessionMs)
  return [
    rule(
      'lease',
      ['the shortest lease', minimumLeaseMs],
      ['lease', leaseMs],
      'every hiccup of the ensemble would depose a controller'
    ),
    rule(
      'two controllers',
      ['lease, by the slowest clock', surely(leaseMs)],
      ['session', sessionMs],
      'two controllers could act at once'
    )
  ]
}

/** Of a host that fences itself. */
function rulesOfLimit(
  { host, limitMs, watchdogMs, kept = false }: HostLimit,
  sessionMs: Ms | undefined
): readonly Rule[] {
  const away = sessionMs === undefined ? undefined : withoutControllerMs(sessionMs)
  const lasting =
    away === undefined
      ? []
      : [
          rule(
            `limit of ${host}`,
            ['without a controller', away],
            ['until it ends what others could start', endsAfterMs(limitMs)],
            'each change of the controller would end what runs there'
          )
        ]
  if (watchdogMs === undefined) return lasting
  const times = { limitMs, watchdogMs, kept }
  return [
    ...lasting,
    rule(
      `watchdog of ${host}`,
      ['two pets', 2 * petMs],
      ['its watchdog', watchdogMs],
      'a single late one would reset the host'
    ),
    rule(
      `end of ${host}`,
      [
        'its watchdog has bitten, by the slowest clock, and the pet that is due',
        surely(endedAfterMs(times)) + petMs
      ],
      ['what we wait', expiryMs(times)],
      'what ran there could run twice'
    )
  ]
}

const leaseOf = (sessionMs: Ms): Ms =>
  Math.floor(sessionMs * (1 - 2 * clockRateError)) - reportMsMax

/** Why settings do not hold, each with its numbers; empty: they do. */
export function timingProblems(settings: TimingSettings): readonly string[] {
  const { sessionMs = 0 } = settings
  return timingRules(settings)
    .filter(({ holds }) => !holds)
    .map(({ name, left, right, because }) => {
      if (name === 'lease') {
        return (
          `sessionMs: a session of ${formatMs(sessionMs)} leaves a lease of ` +
          `${formatMs(right.ms)}; it must be ${formatMs(left.ms)} at least`
        )
      }
      const [one, other] = [left, right].map(({ says, ms }) => `${says} (${formatMs(ms)})`)
      return `timing, ${name}: ${one} exceeds ${other}: ${because}`
    })
}

/** With a shorter lease every hiccup of the ensemble would depose a controller. Unit: ms. */
const minimumLeaseMs: Ms = 400

/** Why a host's limit does not go with a session; undefined: it does. */
export function limitProblem(limitMs: Ms, sessionMs: Ms): string | undefined {
  const needed = withoutControllerMs(sessionMs)
  if (endsAfterMs(limitMs) >= needed) return undefined
  return (
    `with a limit of ${formatMs(limitMs)} a host ends its instances after ` +
    `${formatMs(endsAfterMs(limitMs))}, sooner than a change of the controller may last: ` +
    `${formatMs(needed)} with sessions of ${formatMs(sessionMs)}`
  )
}
