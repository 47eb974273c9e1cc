/**
 * The host's own end: how one that nobody hears any more makes sure that nothing of it is left
 * which could be started elsewhere meanwhile.
 *
 * A controller gives a lease with each of its heartbeats: it says which of ours it has heard last.
 * The lease counts from the moment in which *we sent* that one, so nothing that comes late makes it
 * longer. A hardware watchdog, which nobody can stop once it runs, is pet only as long as it bites
 * by the limit of the lease, or as long as nothing runs here that could run elsewhere.
 *
 *        a limit is ordered, and           the limit is near
 *   free ─────────────────────► leased ───────────────────────► ending
 *        the watchdog is ours   ▲    ▲                             │ libvirt says that all
 *                               │    │ a controller hears us       │ of them are gone
 *   waiting ────────────────────┘    └────────────────────────── ended
 *   a new run of the agent, and the watchdog counts
 *
 * - free: no limit, or no watchdog to hold it: nothing ends by itself, and nobody relies on it.
 * - leased: the watchdog is pet, unless it would bite after the limit.
 * - waiting: this run has had no lease yet, or has not looked for a watchdog, or the watchdog was
 *   pet so late that it would bite after the limit of the lease. Nothing that others could start is
 *   started here: they may have started it while an earlier run was cut off.
 * - ending: what others could start is ended at once. The watchdog is not pet: it bites in time.
 * - ended: nothing of that runs, nor is being started. The watchdog is pet, the rest runs on.
 *
 * What others could start: all whose volumes are in shared pools alone. Not those that are highly
 * available now: that may be wished after we were cut off.
 */
import { endsAfterMs, petForMs } from '#shared/self-fence-times.ts'
import type { Ms } from '#shared/units.ts'
import type { Order } from '#shared/wire/order.ts'
import type { OwnDomain } from './metadata.ts'
import type { Observed } from './observed.ts'
import { domainsOf } from './observed.ts'
import { isAlive, sortDomains } from './own-domains.ts'
import type { Step } from './steps.ts'

/** Judged for so long at most: whoever is later judges anew. Unit: ms. */
const judgedMs: Ms = 1_000
/** To open one takes longer: a program is started for it. Unit: ms. */
const openingMs: Ms = 5_000
/** Heartbeats of which it is remembered when they were sent; older ones give no lease. */
export const beatsMax = 128

/** What this run of the agent knows of its lease. Times are monotonic. */
export type Lease = {
  /** Names this run: what was heard of an earlier one gives no lease. */
  readonly run: string
  readonly since: Ms
  /** When our heartbeats were sent, the newest last. */
  readonly beats: readonly { readonly number: number; readonly at: Ms }[]
  /** When the newest was sent that a controller has heard. */
  readonly from: Ms | undefined
}

/** The lease of a run that begins: none. */
export const noLease = (run: string, since: Ms): Lease => ({
  run,
  since,
  beats: [],
  from: undefined
})

/** Remembers when a heartbeat was sent. */
export function beatSent(lease: Lease, number: number, at: Ms): Lease {
  const beats = lease.beats.slice(1 - beatsMax)
  beats.push({ number, at })
  return { run: lease.run, since: lease.since, beats, from: lease.from }
}

/** Takes in what a controller has heard of us; only what is newer makes the lease longer. */
export function beatEchoed(
  lease: Lease,
  echo: { readonly run: string; readonly number: number }
): Lease {
  if (echo.run !== lease.run) return lease
  const at = lease.beats.findLast(({ number }) => number === echo.number)?.at
  if (at === undefined || at <= (lease.from ?? Number.NEGATIVE_INFINITY)) return lease
  return { ...lease, from: at }
}

/**
 * How the watchdog is to us. `unknown`: this run has not looked yet, and an earlier one may have
 * opened it; `none`: there is none that counts; `closed`: it is not open in this
 * run, and counts down if an earlier one had it open; `held`: it is open, and bites unless pet.
 */
export type Dog =
  | { readonly state: 'unknown' }
  | { readonly state: 'none' }
  | {
      readonly state: 'closed'
      readonly counts: boolean
      /** Whether it is held open for whoever comes, and has to be pet. */
      readonly kept: boolean
      readonly timeoutMs: Ms
    }
  | { readonly state: 'held'; readonly timeoutMs: Ms }

/** What it is judged by. */
export type Plight = {
  readonly limitMs: Ms | undefined
  readonly lease: Lease
  readonly dog: Dog
  /** Before when the last pet may have come about. */
  readonly petUntil: Ms
  /** Whether libvirt says that nothing runs, nor anything begins, which others could start. */
  readonly isClear: boolean
  readonly now: Ms
}

/** The states of the drawing. */
export type SelfFenceState = 'free' | 'leased' | 'waiting' | 'ending' | 'ended'

/** What follows of it. */
export type SelfFenceStand = {
  readonly state: SelfFenceState
  /** Whether the watchdog, closed so far, is opened, which starts or pets it; before when. */
  readonly opens: boolean
  readonly openBy: Ms
  readonly pets: boolean
  readonly petBy: Ms
  /** When it is otherwise though nothing happens; undefined: never. */
  readonly until: Ms | undefined
}

/** Judges a moment. */
export function selfFenceStand(plight: Plight): SelfFenceStand {
  const { limitMs, dog, lease, now } = plight
  const state = stateOf(plight)
  const petBy = Math.min(now + judgedMs, petByOf(plight, state))
  const openBy = Math.min(now + openingMs, petByOf(plight, state))
  const isFresh = isFreshAt(plight)
  const mayOpen =
    dog.state === 'closed' &&
    (limitMs === undefined ? dog.kept : isFresh || (dog.counts && state === 'ended'))
  const since = isFresh ? lease.from : state === 'waiting' ? lease.since : undefined
  return {
    state,
    opens: mayOpen && now < openBy,
    openBy,
    pets: dog.state === 'held' && now < petBy,
    petBy,
    until: since === undefined || limitMs === undefined ? undefined : since + endsAfterMs(limitMs)
  }
}

/** Whether there is a lease, and nothing has to end yet. */
const isFreshAt = ({ limitMs, lease, now }: Plight): boolean =>
  limitMs !== undefined && lease.from !== undefined && now < lease.from + endsAfterMs(limitMs)

/** Before when the watchdog may be pet: a pet is good for its whole time. */
function petByOf(plight: Plight, state: SelfFenceState): Ms {
  if (state === 'ended' || plight.limitMs === undefined) return Number.POSITIVE_INFINITY
  return state === 'leased' || state === 'free' ? leasedPetBy(plight) : Number.NEGATIVE_INFINITY
}

/** Before when a pet goes by the lease. */
function leasedPetBy({ limitMs, lease, dog }: Plight): Ms {
  if (limitMs === undefined || lease.from === undefined) return Number.NEGATIVE_INFINITY
  if (dog.state !== 'held' && dog.state !== 'closed') return Number.NEGATIVE_INFINITY
  return lease.from + petForMs({ limitMs, watchdogMs: dog.timeoutMs })
}

/**
 * Whether the watchdog would bite later than this lease allows: it was pet since, as nothing was
 * left to end or as the limit was longer, and only then came what it is judged by now. A newer
 * lease is waited for.
 */
const isPetBeyond = (plight: Plight): boolean => plight.petUntil > leasedPetBy(plight)

function stateOf(plight: Plight): SelfFenceState {
  const { limitMs, dog, lease, isClear, now } = plight
  if (limitMs !== undefined && dog.state === 'unknown') return 'waiting'
  const isInForce = dog.state === 'held' || (dog.state === 'closed' && dog.counts)
  if (limitMs === undefined || !isInForce) return 'free'
  const isFresh = isFreshAt(plight)
  if (isFresh && !isPetBeyond(plight)) return 'leased'
  if (isClear) return 'ended'
  const isNew = lease.from === undefined && now < lease.since + endsAfterMs(limitMs)
  return isFresh || isNew ? 'waiting' : 'ending'
}

/** What a host that has no lease may not do, and what it ends; see `Situation`. */
export type CutOff = {
  /** Whether what others could start is ended, and not only not started. */
  readonly ends: boolean
  readonly because: string
}

/** Whether others could start what has these volumes; one that the order does not name counts. */
export function couldRunElsewhere(order: Order, volumes: readonly string[]): boolean {
  const shared = new Set(order.pools.filter(pool => pool.shared).map(pool => pool.name))
  return volumes.every(id => {
    const volume = order.volumes.find(each => each.id === id)
    return volume === undefined || shared.has(volume.pool)
  })
}

/** Our domains that others could start, if they were not here. */
export function othersCouldStart(own: readonly OwnDomain[], order: Order): readonly OwnDomain[] {
  return own.filter(
    ({ domain, metadata }) => isAlive(domain) && couldRunElsewhere(order, metadata.volumes)
  )
}

/** Whether nothing runs, nor is begun, that others could start: as libvirt says, not as we hope. */
export function isClearOf(given: {
  readonly order: Order
  readonly observed: Observed
  readonly inFlight: readonly Step[]
}): boolean {
  const { order, observed, inFlight } = given
  if (observed.domains.state !== 'fresh') return false
  const { own } = sortDomains(domainsOf(observed), order.cloud)
  return othersCouldStart(own, order).length === 0 && !inFlight.some(step => begins(step, order))
}

/** Whether a step may bring something here that others could start. */
export const begins = (step: Step, order: Order): boolean =>
  step.type === 'prepare-arrival' ||
  (step.type === 'create-domain' && couldRunElsewhere(order, step.plan.instance.volumes))
