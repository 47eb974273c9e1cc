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

/** Hosts of a rack that may be set to be fenced at once, at most. Unit: count. */
export const fencesPerRackMax = 64
/** A wider brake than the usual one lets more be fenced by a fault of the network. */
const brakePercentUsual = 33

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
  readonly brakePercent?: number | null
  readonly fencesPerRack?: number | null
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

/** What a setting is now, in words, and the verb under which that is told. */
type Told = { readonly verb: string; readonly words: string; readonly isRisk?: boolean }

/** Of each setting: what it is now. Those that belong together are told in one. */
const tellings: readonly {
  readonly of: readonly (keyof HealingWish)[]
  readonly tell: (healing: Healing) => Told
}[] = [
  {
    of: ['reserveHosts', 'reserveDomain'],
    tell: ({ reserveHosts = 0, reserveDomain }) => {
      const domain = reserveDomain === undefined ? '' : ` and of any one ${reserveDomain}`
      const hosts = `${reserveHosts} host${reserveHosts === 1 ? '' : 's'}`
      return { verb: 'reserve-set', words: `room is kept for the loss of any ${hosts}${domain}` }
    }
  },
  {
    of: ['startsPerHost'],
    tell: ({ startsPerHost }) => ({
      verb: 'starts-set',
      words:
        startsPerHost === undefined
          ? 'as many instances come up on a host at once as it has threads'
          : `at most ${startsPerHost} instances come up on a host at once`
    })
  },
  {
    of: ['preemption'],
    tell: ({ preemption }) => ({
      verb: 'preemption-set',
      words: `who is stopped for more important ones: ${preemptionWords(preemption)}`
    })
  },
  {
    of: ['brakePercent'],
    tell: ({ brakePercent }) => {
      const share = brakePercent === undefined ? 'a third' : `${brakePercent} %`
      return {
        verb: 'brake-set',
        words: `at most ${share} of all hosts are fenced at once`,
        isRisk: brakePercent !== undefined && brakePercent > brakePercentUsual
      }
    }
  },
  {
    of: ['fencesPerRack'],
    tell: ({ fencesPerRack = 1 }) => ({
      verb: 'fences-per-rack-set',
      words: `hosts of a rack that are fenced at once: ${fencesPerRack}`
    })
  },
  {
    of: ['storageWitness'],
    tell: ({ storageWitness }) => ({
      verb: 'storage-witness-set',
      words: witnessWords(storageWitness),
      isRisk: storageWitness === 'alarm'
    })
  }
]

/** Judges other settings. What is there already is never refused by another reserve. */
export function setHealing(view: View, wish: HealingWish, context: Context): Commit | Refusal {
  const before = view.cloud?.healing ?? {}
  const healing = Object.fromEntries(
    Object.entries({ ...before, ...wish }).filter(([, value]) => value !== null && value !== 0)
  ) as Healing
  const told = tellings
    .filter(({ of }) => of.some(each => (healing[each] ?? 0) !== (before[each] ?? 0)))
    .map(({ tell }) => tell(healing))
  const [first] = told
  if (!first) return nothing
  return change(view, { healing }, context, {
    verb: first.verb,
    message: told.map(({ words }) => words).join('; '),
    severity: told.some(({ isRisk }) => isRisk) ? 'warning' : 'notice'
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
