import type { Ms } from '#shared/units.ts'
import type { Order } from '#shared/wire/order.ts'
import type { HostContext } from './domain-plan.ts'
import type { Memory } from './memory.ts'
import type { Moment } from './moment.ts'
import type { Observed } from './observed.ts'
import { type Retry, retrySentence } from './retry.ts'
import type { CutOff } from './self-fence.ts'
import { keyOf, laneOf, type Step, stepFingerprint } from './steps.ts'

/**
 * Where the order comes from. `fresh`: a controller gave it to this run of the agent. `same-boot`:
 * an earlier run of the agent had it, and the host has not been rebooted since. `other-boot`: it is
 * from before the host's last boot.
 */
export type OrderOrigin = 'fresh' | 'same-boot' | 'other-boot'

/**
 * Whether the agent may act on an order of that origin. One from the same boot is as good as on the
 * day it came: instances are taken from a host only after it was proven off, and a host that was
 * off has another boot id. For the same reason one from before the last boot is good for nothing:
 * what it names may run elsewhere by now, so the agent looks, reports and waits.
 */
export const mayAct = (origin: OrderOrigin): boolean => origin !== 'other-boot'

/**
 * Whether an instance may be started at once after a boot, without a controller. The signed list
 * names those that can run on no other host, since all their volumes are here alone: whatever was
 * decided while this host was off, they run nowhere else.
 */
export const mayStartAlone = ({ origin, services }: Situation, instance: string): boolean =>
  mayAct(origin) || services.has(instance)

/** All that a decision of the agent is made from. */
export type Situation = {
  readonly order: Order
  readonly origin: OrderOrigin
  /**
   * The order could not be kept: the next run of the agent will not know of it. It is carried out,
   * but nothing is said or sent on which another host would build.
   */
  readonly isUnkept?: boolean
  /** Set while this host has no lease and needs one: see self-fence.ts. */
  readonly cutOff?: CutOff | undefined
  /** Instances, by id, that this host may start before any controller is there. */
  readonly services: ReadonlySet<string>
  readonly observed: Observed
  readonly memory: Memory
  readonly host: HostContext
  /** Steps that are under way: what they will bring about is not seen yet. */
  readonly inFlight: readonly Step[]
  readonly now: Moment
}

/**
 * A step that is wished, and whether it is its time: one that failed waits before it is tried
 * again.
 */
export type Wish =
  | { readonly state: 'due'; readonly step: Step }
  | { readonly state: 'later'; readonly step: Step; readonly retry: Retry }

/** What is to be done about one thing. */
export type Matter = {
  readonly wish?: Wish | undefined
  /** When to look again though nothing happens. */
  readonly lookAgainAt?: Ms | undefined
  /** Whether it is as the order wishes. */
  readonly settled: boolean
}

/** Weighs a step against its failures. */
export function wishFor(step: Step, { memory, now }: Situation): Wish {
  const retry = memory.retries.get(keyOf(step))
  return retry === undefined ||
    retry.nextAt <= now.monotonic ||
    retry.fingerprint !== stepFingerprint(step)
    ? { state: 'due', step }
    : { state: 'later', step, retry }
}

/** The failure that a wish waits after, as a sentence with the time of the next try. */
export const failureOf = (wish: Wish, now: Moment): string | undefined =>
  wish.state === 'later' ? retrySentence(wish.retry, now.monotonic) : undefined

/** The step that is under way in a lane. */
export const stepInLane = (situation: Situation, lane: string): Step | undefined =>
  situation.inFlight.find(step => laneOf(step) === lane)
