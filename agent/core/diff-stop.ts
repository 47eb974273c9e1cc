/**
 * How a domain of ours is ended: asked to shut down, asked again now and then (one that boots
 * does not listen yet), and when its grace is over its plug is pulled. No grace: at once.
 */
import type { Ms } from '#shared/units.ts'
import { formatMs } from '#shared/units.ts'
import { driverOf } from './domain-plan.ts'
import { stopWish } from './memory.ts'
import type { OwnDomain } from './metadata.ts'
import { isAlive, isCrossing, isHeld } from './own-domains.ts'
import { failureOf, type Matter, type Situation, wishFor } from './situation.ts'
import { nameOf, type Step } from './steps.ts'

/** How long after a request to shut down it is repeated. Unit: ms. */
const askAgainMs: Ms = 3_000

/** Says how the end of a domain goes on. */
export function stopMatter(
  own: OwnDomain,
  { graceMs, because }: { readonly graceMs: Ms; readonly because: string },
  situation: Situation
): Matter & { readonly message: string } {
  const { domain, metadata } = own
  const now = situation.now.monotonic
  const stop = situation.memory.instances.get(metadata.id)?.stop
  const { id, tenant, name } = metadata
  const about = {
    instance: { id, tenant, name },
    domain: { driver: domain.driver, uuid: domain.uuid }
  }
  const wished = (step: Step, lookAgainAt?: Ms) => {
    const wish = wishFor(step, situation)
    const failure = failureOf(wish, situation.now)
    return { wish, lookAgainAt, settled: false, message: failure ?? `is being ended: ${because}` }
  }
  const forceAt = (stop?.askedAt ?? now) + graceMs
  // What libvirt holds still, or has in part, is one end of a migration: it is ended at once.
  if (graceMs === 0 || domain.state === 'crashed' || isHeld(domain) || isCrossing(domain)) {
    return wished({ ...about, type: 'destroy', crashed: false, because })
  }
  if (now >= forceAt) {
    const overdue = `${because}, and it did not shut down within ${formatMs(graceMs)}`
    return wished({ ...about, type: 'destroy', crashed: false, because: overdue })
  }
  if (domain.state === 'paused') {
    return wished({
      ...about,
      type: 'resume',
      because: `${because}, and paused it cannot shut down`
    })
  }
  const askAt = stop === undefined ? now : stop.lastAskedAt + askAgainMs
  if (domain.state === 'running' && now >= askAt) {
    return wished({ ...about, type: 'shutdown', because }, forceAt)
  }
  const left = formatMs(forceAt - now)
  const message = `is shutting down: ${because}; ended by force in ${left}`
  return { message, lookAgainAt: Math.min(askAt, forceAt), settled: false }
}

/** An instance that no order names, and that a controller must not take for gone yet. */
export type LeavingVerdict = Matter & {
  readonly id: string
  /** undefined: an earlier order's start is under way, and its domain is not seen yet. */
  readonly own: OwnDomain | undefined
  readonly message: string
}

/** Ends our domains that the order does not name, or names as another type. */
export function diffLeaving(
  own: readonly OwnDomain[],
  situation: Situation
): readonly LeavingVerdict[] {
  const ordered = new Map(situation.order.instances.map(instance => [instance.id, instance]))
  const living = own.flatMap(each => {
    const instance = ordered.get(each.metadata.id)
    const isOrdered = instance !== undefined && driverOf(instance) === each.domain.driver
    if (isOrdered || !isAlive(each.domain)) return []
    const because = stopWish(each, instance) ?? 'the order does not name it'
    const graceMs = each.metadata.stopGraceMs
    const { id } = each.metadata
    return [{ id, own: each, ...stopMatter(each, { graceMs, because }, situation) }]
  })
  const seen = new Set(living.map(({ id }) => id))
  const arriving = situation.inFlight.flatMap(step => {
    if (step.type !== 'create-domain') return []
    const { id } = step.plan.instance
    if (ordered.has(id) || seen.has(id)) return []
    const message = 'is being started by an earlier order, and ended as soon as it runs'
    return [{ id, own: undefined, message, settled: false }]
  })
  return [...living, ...arriving]
}

/** Removes what is left of instances that no order names any more, once their domain has ended. */
export function diffForgotten(own: readonly OwnDomain[], situation: Situation): readonly Matter[] {
  const ordered = new Set(situation.order.instances.map(instance => instance.id))
  const alive = new Set(own.filter(each => isAlive(each.domain)).map(each => each.metadata.id))
  return [...situation.memory.instances.values()].flatMap(({ instance }) => {
    if (ordered.has(instance.id) || alive.has(instance.id)) return []
    const because = `no order names ${nameOf(instance)} any more, and it has ended`
    const wish = wishFor({ type: 'forget-instance', instance, because }, situation)
    return [{ wish, settled: false }]
  })
}
