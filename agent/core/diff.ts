/**
 * The agent's one decision: what should be, against what is, gives the steps that come next. It is
 * level-triggered and keeps nothing: each step is wished as long as what it brings about is
 * missing, so one that was lost, failed or was undone is wished again. A step is only wished when
 * all that it needs stands ready; so images come before volumes and volumes before domains, with no
 * order of steps written down anywhere.
 *
 * The verdicts that say what to do also say, for the report, why it is not done yet.
 */
import type { Ms } from '#shared/units.ts'
import { diffCrossings } from './diff-crossing.ts'
import { diffCutOff, mayWhileCutOff } from './diff-cut-off.ts'
import { diffInstance, type InstanceVerdict } from './diff-instance.ts'
import { diffNetworks, type NetworksVerdict } from './diff-networks.ts'
import { diffReboot } from './diff-reboot.ts'
import { diffRemains } from './diff-remains.ts'
import { diffForgotten, diffLeaving, type LeavingVerdict } from './diff-stop.ts'
import {
  diffImages,
  diffLeftImages,
  diffPools,
  type ImageVerdict,
  type PoolVerdict
} from './diff-storage.ts'
import { diffVolumes, usersOf, type VolumeVerdict } from './diff-volumes.ts'
import { domainsOf } from './observed.ts'
import { type SortedDomains, sortDomains } from './own-domains.ts'
import { type Matter, mayAct, mayStartAlone, type Situation } from './situation.ts'
import { inTurns, keysOf } from './start-turns.ts'
import { keyOf, laneOf, type Step } from './steps.ts'
import { indexesOf } from './surroundings.ts'

/** What is said of each thing that is ordered, and of what is there besides. */
export type Verdicts = {
  readonly sorted: SortedDomains
  readonly pools: readonly PoolVerdict[]
  readonly images: readonly ImageVerdict[]
  readonly volumes: readonly VolumeVerdict[]
  readonly networks: NetworksVerdict
  readonly instances: readonly InstanceVerdict[]
  readonly leaving: readonly LeavingVerdict[]
}

/** What the agent has decided at one look. */
export type Plan = {
  readonly verdicts: Verdicts
  /** What to do now, at most one step of a lane; steps that are under way are among them. */
  readonly steps: readonly Step[]
  /** Keys of all steps that are wished, also of those that wait to be tried again. */
  readonly wanted: ReadonlySet<string>
  /** When something is to be looked at again though nothing happens. */
  readonly lookAgainAt: Ms | undefined
  /** Whether all is as the order wishes. */
  readonly settled: boolean
}

/** Decides what to do now, and what is to be said of each thing, done or not. */
export function diff(situation: Situation): Plan {
  const judged = judge(situation)
  const turns = inTurns(judged.instances, situation)
  const verdicts = { ...judged, instances: turns.verdicts }
  const all: readonly Matter[] = [
    // First: what is ended for want of a lease is not to be asked to shut down, or sent, beside it.
    ...diffCutOff(verdicts.sorted.own, situation),
    ...verdicts.pools,
    ...verdicts.images,
    ...verdicts.volumes,
    verdicts.networks,
    ...verdicts.leaving,
    ...verdicts.instances,
    ...diffCrossings(verdicts.sorted.own, situation),
    ...diffForgotten(verdicts.sorted.own, situation),
    ...diffRemains(situation),
    ...diffReboot(verdicts.sorted.own, situation),
    diffLeftImages(situation)
  ]
  const wishes = all.flatMap(matter => (matter.wish === undefined ? [] : [matter.wish]))
  const due = wishes.filter(wish => wish.state === 'due' && isAllowed(wish.step, situation))
  const steps = new Map<string, Step>()
  for (const { step } of due) if (!steps.has(laneOf(step))) steps.set(laneOf(step), step)
  // A moment that has come is no reason to wait for it: what is due is begun, or its lane is taken.
  const moments = [
    ...all.flatMap(matter => matter.lookAgainAt ?? []),
    ...wishes.flatMap(wish => (wish.state === 'later' ? wish.retry.nextAt : []))
  ].filter(moment => moment > situation.now.monotonic)
  return {
    verdicts,
    steps: [...steps.values()],
    wanted: new Set([...wishes.map(wish => keyOf(wish.step)), ...keysOf(turns.waiting)]),
    lookAgainAt: moments.length === 0 ? undefined : moments.reduce((a, b) => Math.min(a, b)),
    settled:
      mayAct(situation.origin) &&
      situation.observed.domains.state === 'fresh' &&
      all.every(matter => matter.settled)
  }
}

/** What instances need that start alone: their pools and networks, and to be started. */
function isForStart(step: Step, services: ReadonlySet<string>): boolean {
  if (step.type === 'create-domain') return services.has(step.plan.instance.id)
  return services.size > 0 && (step.type === 'open-pool' || step.type === 'apply-networks')
}

function judge(situation: Situation): Verdicts {
  const sorted = sortDomains(domainsOf(situation.observed), situation.order.cloud)
  const users = usersOf(sorted.own, situation.inFlight)
  const pools = diffPools(situation)
  const images = diffImages(situation)
  const volumes = diffVolumes({
    situation,
    users,
    pools: new Map(pools.map(each => [each.pool.name, each])),
    images: new Map(images.map(each => [each.image.id, each]))
  })
  const networks = diffNetworks(situation, sorted.own)
  const surroundings = {
    situation,
    sorted,
    users,
    volumes: new Map(volumes.map(each => [each.volume.id, each])),
    networks: new Map(networks.each.map(each => [each.network.id, each])),
    indexes: indexesOf(situation, sorted)
  }
  return {
    sorted,
    pools,
    images,
    volumes,
    networks,
    instances: situation.order.instances.map(each =>
      withoutSight(diffInstance(each, surroundings), situation)
    ),
    leaving: diffLeaving(sorted.own, situation)
  }
}

/** What is said of an instance while its domain cannot be seen, or must not be touched. */
function withoutSight(verdict: InstanceVerdict, situation: Situation): InstanceVerdict {
  const { domains } = situation.observed
  if (domains.state === 'unknown') {
    const message = `cannot tell: ${domains.because}`
    const unseen = { power: 'starting', reason: 'hypervisor-away', move: undefined } as const
    return { ...verdict, ...unseen, message, settled: false }
  }
  if (domains.state === 'old') {
    const message = `was ${verdict.power} when last seen; ${domains.because}`
    const reason = 'hypervisor-away'
    return { ...verdict, reason, message, settled: false, move: undefined }
  }
  if (verdict.own === undefined && !mayStartAlone(situation, verdict.instance.id)) {
    const message =
      'is not started from an order of before the last boot of this host: it may run elsewhere ' +
      'by now; it waits for a controller'
    return { ...verdict, power: 'stopped', reason: 'order-old', message, settled: false }
  }
  return situation.isUnkept ? { ...verdict, move: undefined } : verdict
}

/**
 * On an order of before the last boot nothing is done but to start what may start alone, and
 * nothing to domains that are not seen.
 */
function isAllowed(step: Step, situation: Situation): boolean {
  const { origin, observed, services } = situation
  if (!mayAct(origin) && !isForStart(step, services)) return false
  if (situation.cutOff && !mayWhileCutOff(step, situation.order)) return false
  switch (step.type) {
    case 'create-domain':
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
    case 'abort-migration':
    case 'start-post-copy':
    case 'allow-standstill':
    case 'prepare-arrival':
    // Whether somebody uses a volume or a seed is only known while domains are seen.
    case 'remove-volume':
    case 'grow-volume':
    case 'forget-instance':
    case 'remove-remains':
    case 'reboot':
      return observed.domains.state === 'fresh'
    case 'migrate-domain':
      return observed.domains.state === 'fresh' && !situation.isUnkept
    case 'open-pool':
    case 'fetch-image':
    case 'keep-images':
    case 'create-volume':
    case 'apply-networks':
      return true
    default:
      return step satisfies never
  }
}
