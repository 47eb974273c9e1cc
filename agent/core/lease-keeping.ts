/**
 * What one run of the agent keeps of its lease and its watchdog, and how each thing that happens
 * changes it; what follows from it is judged in self-fence.ts. Nothing here opens or pets anything.
 *
 * That nothing runs which others could start is believed for a while only, and only if it was found
 * when nothing of it might be begun any more. After it was cut off, what ran here may run
 * elsewhere: so it starts nothing before it has the order that the first new lease speaks of.
 */
import { endsAfterMs } from '#shared/self-fence-times.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import type { Observed } from './observed.ts'
import type { WatchdogFacts } from './ports.ts'
import {
  beatEchoed,
  beatSent,
  type CutOff,
  type Dog,
  isClearOf,
  type Lease,
  noLease,
  type SelfFenceStand,
  selfFenceStand
} from './self-fence.ts'
import type { Step } from './steps.ts'

/** That nothing runs is believed for so long: the loop looks more often. Unit: ms. */
const clearMsMax: Ms = 5_000

/** Which order a controller has for this host. */
export type Newest = { readonly epoch: number; readonly generation: number }

/** What is kept from moment to moment. Times are monotonic. */
export type Keeping = {
  readonly lease: Lease
  /** The limit that is in force; undefined: none, or the one that is ordered. */
  readonly limitMs: Ms | undefined
  /** As the watchdog was found last; undefined: it was never looked at. */
  readonly facts: WatchdogFacts | undefined
  readonly isHeld: boolean
  /** Before when the last pet may have come about. */
  readonly petUntil: Ms
  /** When nothing was found that others could start, after the lease had run out. */
  readonly clearAt: Ms
  /** After it was cut off: what ran here may run elsewhere, so it starts by this order or later. */
  readonly awaited: Newest | undefined
}

/** By what it is judged at a moment. */
export type At = { readonly limitMs: Ms | undefined; readonly now: Ms }

/** What a run that begins keeps: nothing yet. */
export const freshKeeping = (run: string, since: Ms): Keeping => ({
  lease: noLease(run, since),
  limitMs: undefined,
  facts: undefined,
  isHeld: false,
  petUntil: Number.NEGATIVE_INFINITY,
  clearAt: Number.NEGATIVE_INFINITY,
  awaited: undefined
})

/** How it stands at a moment. */
export const standOf = (keeping: Keeping, at: At): SelfFenceStand =>
  selfFenceStand({
    limitMs: limitAt(keeping, at),
    lease: keeping.lease,
    dog: dogOf(keeping),
    petUntil: keeping.petUntil,
    isClear: at.now - keeping.clearAt < clearMsMax,
    now: at.now
  })

function dogOf({ isHeld, facts }: Keeping): Dog {
  if (facts === undefined) return { state: 'unknown' }
  const { because, counts, kept, nowayout, timeoutMs } = facts
  if (isHeld) return { state: 'held', timeoutMs }
  if (because !== '') return { state: 'none' }
  return { state: 'closed', counts: counts && nowayout, kept: kept !== 'no', timeoutMs }
}

/** Whether what others could start may be started here. */
export const mayStart = ({ state }: SelfFenceStand): boolean =>
  state === 'free' || state === 'leased'

/** A heartbeat is sent. Where no limit is ordered nobody echoes it, so no lease is kept. */
export function beatKept(keeping: Keeping, number: number, { limitMs, now }: At): Keeping {
  const { lease } = keeping
  const own = limitMs === undefined ? noLease(lease.run, now) : lease
  return inForceAt({ ...keeping, lease: beatSent(own, number, now) }, { limitMs, now })
}

/**
 * A limit that is ordered is in force at once, unless it is shorter than the one before: that
 * stays until there is a lease which the shorter one lets live, and by which the watchdog bites.
 */
function inForceAt(keeping: Keeping, at: At): Keeping {
  const next = { ...keeping, limitMs: at.limitMs }
  const { state } = standOf(next, at)
  return limitAt(keeping, at) === at.limitMs || state === 'leased' ? next : keeping
}

/** The limit that counts: no shorter one than is in force. */
const limitAt = (keeping: Keeping, { limitMs }: At): Ms | undefined =>
  limitMs === undefined ? undefined : Math.max(limitMs, keeping.limitMs ?? 0)

/** A controller has heard a heartbeat of ours; the same value: that says nothing new. */
export function echoTaken(
  keeping: Keeping,
  heard: {
    readonly echo: { readonly run: string; readonly number: number }
    readonly newest: Newest
  },
  at: At
): Keeping {
  const lease = beatEchoed(keeping.lease, heard.echo)
  if (lease.from === keeping.lease.from) return keeping
  const awaited = mayStart(standOf(keeping, at)) ? keeping.awaited : heard.newest
  const after = inForceAt({ ...keeping, lease, awaited }, at)
  // By one that is too old to start anything what was found stays true.
  return mayStart(standOf(after, at)) ? { ...after, clearAt: Number.NEGATIVE_INFINITY } : after
}

/** The loop has looked: what is kept then, how it stands, and what may not be done. */
export function foundIn(
  keeping: Keeping,
  found: {
    readonly order: Order
    readonly observed: Observed
    readonly inFlight: readonly Step[]
  },
  at: At
): { readonly keeping: Keeping; readonly stand: SelfFenceStand; readonly isCutOff: boolean } {
  // Only what is found when nothing may be begun any more says that it stays so.
  const isClear = !mayStart(standOf(keeping, at)) && isClearOf(found)
  const clear = { ...keeping, clearAt: isClear ? at.now : Number.NEGATIVE_INFINITY }
  const stand = standOf(clear, at)
  if (!mayStart(stand)) return { keeping: clear, stand, isCutOff: true }
  if (isAwaited(clear, found.order)) return { keeping: clear, stand, isCutOff: true }
  return { keeping: { ...clear, awaited: undefined }, stand, isCutOff: false }
}

/** What the loop may not do, with why. */
export const cutOffOf = (stand: SelfFenceStand, limitMs: Ms | undefined): CutOff =>
  mayStart(stand)
    ? { ends: false, because: 'it waits for the newest order, as it was cut off' }
    : {
        ends: stand.state === 'ending',
        because:
          stand.state === 'waiting'
            ? 'no controller has heard this host of late: what others could start waits'
            : `no controller has heard this host for ${formatMs(endsAfterMs(limitMs ?? 0))}: ` +
              'what others could start is ended here'
      }

const isAwaited = ({ awaited }: Keeping, { epoch, generation }: Order): boolean =>
  awaited !== undefined && (epoch < awaited.epoch || generation < awaited.generation)

/** What a report says of it; undefined: nobody asks for it. */
export function saidOf(keeping: Keeping, at: At, fault: string): Report['selfFence'] {
  const { facts, isHeld } = keeping
  const limitMs = limitAt(keeping, at)
  if (facts === undefined || (limitMs === undefined && !isHeld)) return undefined
  const { kind, identity, timeoutMs, nowayout } = facts
  const armed = isHeld && fault === '' && facts.because === ''
  const because = fault || facts.because || (armed ? '' : 'it waits for a lease')
  const inForce = armed && limitMs !== undefined && isInForce(keeping, at) ? { limitMs } : {}
  const kept = armed && facts.kept === 'apart'
  return { kind, identity, timeoutMs, armed, kept, nowayout, ...inForce, because }
}

/** Whether a limit has a lease to count from, and the watchdog bites by it if anything runs. */
const isInForce = (keeping: Keeping, at: At): boolean =>
  keeping.lease.from !== undefined && standOf(keeping, at).state !== 'waiting'
