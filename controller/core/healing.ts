/** How the cloud heals itself at a moment: what is under way, what holds, what would not work. */
import type { Host } from '#shared/model/host.ts'
import { type Missing, missingOnce } from './brake.ts'
import { type FenceReadiness, fenceReadiness } from './fence-readiness.ts'
import { fenceWords } from './host-document.ts'
import { suspicionOf } from './suspicion.ts'
import type { Moment, View } from './view.ts'

/** What operators are shown of it. */
export type HealingStatus = {
  readonly armed: boolean
  /** Since when nobody is fenced, by whom, and why. */
  readonly disarmed?: { readonly at: string; readonly by: string; readonly because: string }
  readonly reserveHosts: number
  readonly reserveDomain?: string
  /** Who may be stopped for more important ones; left out: as each tenant says. */
  readonly preemption?: 'never' | 'own' | 'any'
  /** Instances that may come up on one host at once; left out: by its threads. */
  readonly startsPerHost?: number
  /** The most of all hosts that are fenced at once; left out: a third. Unit: percent. */
  readonly brakePercent?: number
  /** Hosts of one rack that are fenced at once; left out: 1. */
  readonly fencesPerRack?: number
  /** What is done where shared storage contradicts a fence device; left out: it is held. */
  readonly storageWitness?: 'hold' | 'alarm'
  /** Whether hosts are heard here: who only follows knows of no suspect and no device. */
  readonly watches: boolean
  readonly brake: {
    /** Hosts that have gone missing together. */
    readonly missing: readonly string[]
    /** Hosts in service, without those that were missing long before. */
    readonly hosts: number
    /** Those; left out: there are none. */
    readonly before?: readonly string[]
    /** So many at once are still taken for dead; with more it waits for an operator. */
    readonly most: number
  }
  /** Hosts that are being fenced, or are proven off. */
  readonly fenced: readonly FencedHost[]
  /** Hosts that are not heard and not fenced either. */
  readonly suspects: readonly SuspectHost[]
  /** Hosts whose devices could not do it, or not all. */
  readonly exposed: readonly ({ readonly host: string } & FenceReadiness)[]
}

/** A host that was taken for dead. */
export type FencedHost = {
  readonly host: string
  readonly phase: 'fencing' | 'fenced'
  readonly since: string
  readonly because: string
  /** How far it is, or what has proven it. */
  readonly progress: string
  readonly proof?: { readonly verdict: string; readonly at: string }
}

/** A host that may be dead. */
export type SuspectHost = {
  readonly host: string
  /** Why it is not fenced: a word; `waits`: nothing speaks for its death clearly enough. */
  readonly hold: string
  readonly because: string
  /** What an operator may do. */
  readonly next?: string
}

/** Works it out of the view. */
export function healingStatus(view: View, now: Moment): HealingStatus {
  const {
    disarmed,
    reserveHosts = 0,
    reserveDomain,
    preemption,
    startsPerHost,
    brakePercent,
    fencesPerRack,
    storageWitness
  } = view.cloud?.healing ?? {}
  const hosts = [...view.all('host').values()]
    .filter(({ decided }) => decided.approval === 'approved' && decided.deletedAt === undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const counted = missingOnce(view, now.monotonic)
  const { brake } = counted()
  return {
    armed: disarmed === undefined,
    ...(disarmed && { disarmed }),
    reserveHosts,
    ...(reserveDomain !== undefined && { reserveDomain }),
    ...(preemption !== undefined && { preemption }),
    ...(startsPerHost !== undefined && { startsPerHost }),
    ...(brakePercent !== undefined && { brakePercent }),
    ...(fencesPerRack !== undefined && { fencesPerRack }),
    ...(storageWitness !== undefined && { storageWitness }),
    watches: view.watches,
    brake: {
      missing: view.watches ? brake.together.filter(name => !brake.back.includes(name)) : [],
      hosts: brake.total,
      most: brake.most,
      ...(view.watches && brake.before.length > 0 && { before: brake.before })
    },
    fenced: hosts.flatMap(host => fencedOf(view, host) ?? []),
    suspects: view.watches
      ? hosts.flatMap(host => suspectOf(view, host, { now, counted }) ?? [])
      : [],
    exposed: hosts.flatMap(host => exposedOf(view, host) ?? [])
  }
}

function fencedOf(view: View, host: Host): FencedHost | undefined {
  const { recovery } = host.decided
  if (!recovery) return undefined
  const { phase, since, because, proof } = recovery
  return {
    host: host.name,
    phase,
    since,
    because,
    progress: proof?.because ?? fenceWords(view, host),
    ...(proof && { proof: { verdict: proof.verdict, at: proof.at } })
  }
}

function suspectOf(
  view: View,
  host: Host,
  { now, counted }: { readonly now: Moment; readonly counted: () => Missing }
): SuspectHost | undefined {
  const suspicion = suspicionOf(view, host, now.monotonic, counted)
  const { name } = host
  switch (suspicion.verdict) {
    case 'none':
      return undefined
    case 'waits': {
      const { because, lasts } = suspicion
      return { host: name, hold: 'waits', because, ...(lasts && { next: lasts.next }) }
    }
    case 'suspect':
      return { host: name, hold: 'none', because: suspicion.because }
    case 'held':
      return { host: name, hold: suspicion.hold, because: suspicion.because, next: suspicion.next }
    default:
      return suspicion satisfies never
  }
}

function exposedOf(view: View, host: Host): HealingStatus['exposed'][number] | undefined {
  if (host.decided.recovery) return undefined
  const readiness = fenceReadiness(view, host)
  if (['ready', 'self-fence', 'alone'].includes(readiness.state)) return undefined
  // A candidate that follows is told by no bootd.
  if (readiness.state === 'not-asked' && !view.watches) return undefined
  return { host: host.name, ...readiness }
}
