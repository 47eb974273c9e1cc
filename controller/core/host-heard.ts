import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'

/** What is known of a host by listening to it. Times are monotonic. */
export type HostHeard = {
  readonly connected: boolean
  readonly because: string
  readonly heardAt: Ms | undefined
  /** Wall clock, for people. */
  readonly heardAtWall: Ms | undefined
  readonly loopLagMs: number
  readonly report: Report | undefined
  readonly reportAt?: Ms | undefined
  /** The boot that it named last; undefined: its last word named none. */
  readonly bootId?: string | undefined
  /** When it was lost and heard again, where the brake held it meanwhile; undefined: never so. */
  readonly back: { readonly lostAt: Ms; readonly at: Ms } | undefined
}

/** What is known of a host that was never listened to. All of them have the same fields. */
export const unheard: HostHeard = {
  connected: false,
  because: 'not dialled yet',
  heardAt: undefined,
  heardAtWall: undefined,
  loopLagMs: 0,
  report: undefined,
  reportAt: undefined,
  bootId: undefined,
  back: undefined
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] }

/**
 * It was heard at this moment. No fact comes more often: so this is one copy of one shape, in which
 * whoever folds the fact enters what else it says. One that the brake held until now was lost then.
 */
export function heardAnew(
  before: HostHeard,
  at: { readonly monotonic: Ms; readonly wall: Ms },
  lostAt?: Ms
): Writable<HostHeard> {
  const heard: Writable<HostHeard> = { ...before }
  if (lostAt !== undefined) heard.back = { lostAt, at: at.monotonic }
  heard.connected = true
  heard.heardAt = at.monotonic
  heard.heardAtWall = at.wall
  return heard
}

/** It has reported. A late report shows that it lives, and of itself only what is still so. */
export function reportedAnew(
  before: HostHeard,
  { report, late }: { readonly report: Report; readonly late: boolean },
  at: { readonly monotonic: Ms; readonly wall: Ms },
  lostAt?: Ms
): HostHeard {
  const heard = heardAnew(before, at, lostAt)
  const facts = before.report?.facts
  heard.reportAt = at.monotonic
  heard.bootId = report.bootId
  if (late) return heard
  heard.report = report.facts || facts === undefined ? report : { ...report, facts }
  return heard
}
