/**
 * How the cloud heals itself, as operators set it: whether any host may be fenced, and for how many
 * losses room is kept. It is one record of the cloud, so that a new controller keeps to it.
 */
import type { Change, Cloud, Commit, Healing } from '../commit.ts'
import { notification } from '../notification.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { type Context, decision, isoOf } from './context.ts'

/** What histories and notifications call it. */
export const healingSubject = 'cluster/healing'
/** Longest reason for which fencing is disarmed. Unit: characters. */
export const becauseCharsMax = 512
/** Most losses of hosts that room can be kept for. Unit: count. */
export const reserveHostsMax = 16
/** Most instances that may be set to come up on one host at once. Unit: count. */
export const startsPerHostMax = 1_000

const nothing: Commit = { changes: [], decisions: [] }

/**
 * Judges the wish that no host is fenced, such as during work on the network. Fences that are under
 * way are ended first: a host that is half fenced is of no use to anybody.
 */
export function disarm(
  view: View,
  wish: { readonly because: string },
  context: Context
): Commit | Refusal {
  const because = wish.because.trim()
  if (because === '') {
    return refuse('invalid', 'cannot disarm without a reason: whoever comes next must know it', {
      pointer: '/because',
      next: ['remuda ha disarm --because "switch of rack 3 is replaced until 14:00"']
    })
  }
  const before = view.cloud?.healing?.disarmed
  if (before?.because === because) return nothing
  const disarmed = { at: before?.at ?? isoOf(context), by: context.by, because }
  return change(view, { healing: { ...view.cloud?.healing, disarmed } }, context, {
    verb: 'disarmed',
    message: `no host is fenced from now on: ${because}`,
    severity: 'warning'
  })
}

/** Judges the wish that hosts are fenced again. */
export function arm(view: View, context: Context): Commit | Refusal {
  const { disarmed, ...healing } = view.cloud?.healing ?? {}
  if (!disarmed) return nothing
  return change(view, { healing }, context, {
    verb: 'armed',
    message: `hosts are fenced again; it was disarmed since ${disarmed.at} by ${disarmed.by}`,
    severity: 'notice'
  })
}

/** What is to be set; null takes a setting away, and what is left out stays. */
export type HealingWish = {
  readonly reserveHosts?: number | null
  readonly reserveDomain?: string | null
  readonly startsPerHost?: number | null
  readonly preemption?: Healing['preemption'] | null
  readonly storageWitness?: Healing['storageWitness'] | null
}

/** What is done where shared storage contradicts a fence device, in words. */
export const witnessWords = (witness: Healing['storageWitness']): string =>
  witness === 'alarm'
    ? 'a host that still writes to shared storage after its fence device read off is an alarm, ' +
      'and what ran there starts elsewhere all the same'
    : 'what ran on a host starts nowhere else while the host still writes to shared storage, ' +
      'whatever its fence device says'

/** Who is stopped for more important instances that have lost their host, in words. */
export function preemptionWords(preemption: Healing['preemption']): string {
  switch (preemption) {
    case undefined:
      return 'as each tenant says'
    case 'never':
      return 'nobody, whatever tenants say'
    case 'own':
      return 'instances of the same tenant, whatever it says'
    case 'any':
      return 'any instance, whoever has it'
    default:
      return preemption satisfies never
  }
}

/** Judges other settings. What is there already is never refused by another reserve. */
export function setHealing(view: View, wish: HealingWish, context: Context): Commit | Refusal {
  const before = view.cloud?.healing ?? {}
  const healing = Object.fromEntries(
    Object.entries({ ...before, ...wish }).filter(([, value]) => value !== null && value !== 0)
  ) as Healing
  const { reserveHosts = 0, reserveDomain, startsPerHost, preemption } = healing
  const isSame =
    reserveHosts === (before.reserveHosts ?? 0) && reserveDomain === before.reserveDomain
  const startsSame = startsPerHost === before.startsPerHost
  const isAsBefore = isSame && startsSame
  const { storageWitness } = healing
  if (storageWitness !== before.storageWitness && isAsBefore && preemption === before.preemption) {
    const message = witnessWords(storageWitness)
    return change(view, { healing }, context, {
      verb: 'storage-witness-set',
      message,
      severity: storageWitness === 'alarm' ? 'warning' : 'notice'
    })
  }
  if (preemption !== before.preemption && isAsBefore) {
    const message = `who is stopped for more important ones: ${preemptionWords(preemption)}`
    return change(view, { healing }, context, {
      verb: 'preemption-set',
      message,
      severity: 'notice'
    })
  }
  if (isAsBefore) return nothing
  const starts =
    startsPerHost === undefined
      ? 'as many instances come up on a host at once as it has threads'
      : `at most ${startsPerHost} instances come up on a host at once`
  if (isSame) {
    const said = { verb: 'starts-set', message: starts, severity: 'notice' } as const
    return change(view, { healing }, context, said)
  }
  const domain = reserveDomain === undefined ? '' : ` and of any one ${reserveDomain}`
  const hosts = `${reserveHosts} host${reserveHosts === 1 ? '' : 's'}`
  return change(view, { healing }, context, {
    verb: 'reserve-set',
    message: `room is kept for the loss of any ${hosts}${domain}${startsSame ? '' : `; ${starts}`}`,
    severity: 'notice'
  })
}

function change(
  view: View,
  { healing }: { readonly healing: Healing },
  context: Context,
  said: {
    readonly verb: string
    readonly message: string
    readonly severity: 'notice' | 'warning'
  }
): Commit | Refusal {
  if (!view.cloud) {
    return refuse('unavailable', 'cannot change how the cloud heals: it is not founded yet', {
      next: ['try again in a moment']
    })
  }
  const { healing: _, ...rest } = view.cloud
  const cloud: Cloud = { ...rest, ...(Object.keys(healing).length > 0 && { healing }) }
  const { verb, message, severity } = said
  const subject = healingSubject
  const seen = { subject, reason: verb, message, severity, at: isoOf(context) }
  const event = notification(view, { ...seen, source: 'controller' }, context)
  const changes: Change[] = [
    { op: 'cloud-put', cloud },
    { op: 'put', resource: event }
  ]
  return { changes, decisions: [decision(context, verb, message, subject)] }
}
