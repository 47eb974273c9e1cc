/**
 * One instance: what it is, what it should be, and the one step that comes next.
 *
 *   its domain lives:  should end ──► diff-stop   else ──► suspend, resume, or all is well
 *   its domain is gone: should be off ──► all is well   else ──► diff-start
 */
import type { Ms } from '#shared/units.ts'
import type { OrderInstance, ReportInstance, ReportMove } from '#shared/wire/order.ts'
import { moveVerdict } from './diff-move.ts'
import { startVerdict } from './diff-start.ts'
import { stopMatter } from './diff-stop.ts'
import { driverOf } from './domain-plan.ts'
import { stopWish } from './memory.ts'
import { hardwareOf, type OwnDomain } from './metadata.ts'
import { isAlive, isCrossing, isHeld } from './own-domains.ts'
import { lateAtOf } from './readiness.ts'
import { failureOf, type Matter, wishFor } from './situation.ts'
import { keyOf, type Step } from './steps.ts'
import { indexKey, type Surroundings } from './surroundings.ts'
import { counted } from './words.ts'

/** Where an ordered instance stands, why, and what is to be done about it. */
export type InstanceVerdict = Matter & {
  readonly instance: OrderInstance
  readonly own: OwnDomain | undefined
  readonly power: ReportInstance['power']
  readonly reason: string
  readonly message: string
  readonly restartNeeded: boolean
  /** What is said of its way to or from another host. */
  readonly move?: ReportMove | undefined
}

/** A paused instance that pauses again is resumed no more often than this. Unit: ms. */
const resumeAgainMs: Ms = 5_000

/** Why libvirt itself pauses a domain, and lets it go on by itself. */
const transient: ReadonlySet<string> = new Set([
  'starting up',
  'save',
  'dump',
  'snapshot',
  'shutting down'
])

/** Says where an ordered instance stands, and what comes next. */
export function diffInstance(instance: OrderInstance, about: Surroundings): InstanceVerdict {
  if (instance.leaving || instance.arriving) return moveVerdict(instance, about, living)
  const driver = driverOf(instance)
  const own = about.indexes.own.get(indexKey(driver, instance.id))
  const base = { instance, own, restartNeeded: false, settled: false }
  if (own === undefined || !isAlive(own.domain)) {
    if (instance.desiredPower !== 'stopped') return startVerdict(instance, about)
    const message = 'is stopped, as wished'
    return { ...base, power: 'stopped', reason: 'stopped', message, settled: true }
  }
  const because = stopWish(own, instance)
  if (because !== undefined) return stopping(instance, own, because, about)
  return living(instance, own, about)
}

function stopping(
  instance: OrderInstance,
  own: OwnDomain,
  because: string,
  { situation }: Surroundings
): InstanceVerdict {
  const graceMs = instance.pullPlug ? 0 : instance.stopGraceMs
  const { message, ...matter } = stopMatter(own, { graceMs, because }, situation)
  const base = { instance, own, restartNeeded: false }
  return { ...base, ...matter, power: 'stopping', reason: 'stopping', message }
}

function living(instance: OrderInstance, own: OwnDomain, about: Surroundings): InstanceVerdict {
  const { situation } = about
  const { state, reason } = own.domain
  const changes = hardwareChanges(instance, own, about)
  const base = { instance, own, restartNeeded: changes !== '' }
  const key = { driver: own.domain.driver, uuid: own.domain.uuid }
  const wished = (step: Step, power: InstanceVerdict['power'], message: string) => {
    const wish = wishFor(step, situation)
    const failure = failureOf(wish, situation.now)
    const why = failure === undefined ? power : 'hypervisor-refused'
    return { ...base, wish, power, reason: why, message: failure ?? message, settled: false }
  }
  if (state === 'stopping') {
    const message = 'is shutting down by itself'
    return { ...base, power: 'stopping', reason: 'stopping', message, settled: false }
  }
  if (state === 'crashed' || isCrossing(own.domain)) {
    const because =
      state === 'crashed'
        ? 'it has crashed and still takes up its room'
        : 'a part of its memory was lost on its way between two hosts'
    const step = { type: 'destroy', instance, domain: key, crashed: true, because } as const
    return wished(step, 'stopping', because)
  }
  if (state === 'running' && instance.desiredPower === 'paused') {
    const because = 'it is wished to be paused'
    return wished({ type: 'suspend', instance, domain: key, because }, 'running', because)
  }
  // Nobody sends it, or its order would say so: then libvirt has left it where it was.
  const isSent = situation.observed.transfers.has(own.domain.uuid)
  if (state === 'paused' && (transient.has(reason) || (isHeld(own.domain) && isSent))) {
    const message = `is held by libvirt for a moment (${reason})`
    return { ...base, power: 'starting', reason: 'starting', message, settled: false }
  }
  if (state === 'paused' && instance.desiredPower === 'running') {
    const because = `it is paused (${reason}) and wished to run`
    const again =
      (situation.memory.instances.get(instance.id)?.resumedAt ?? -Infinity) + resumeAgainMs
    const resume = { type: 'resume', instance, domain: key, because } as const
    if (situation.memory.retries.get(keyOf(resume))?.code === 'conflict') {
      // As a crash: how often it is started anew, and where, goes by the same rules.
      const because = `it is paused (${reason}) and can never go on: its processor has failed`
      const step = { type: 'destroy', instance, domain: key, crashed: true, because } as const
      return wished(step, 'stopping', because)
    }
    if (situation.now.monotonic >= again) return wished(resume, 'paused', because)
    const message = `was resumed and has paused again (${reason})`
    return {
      ...base,
      power: 'paused',
      reason: 'paused',
      message,
      lookAgainAt: again,
      settled: false
    }
  }
  const power = state === 'paused' ? 'paused' : 'running'
  const since = `${power === 'paused' ? 'is paused, started' : 'runs since'} `
  const message = `${since}${own.metadata.startedAt}${changes}`
  const lookAgainAt = lateAtOf(instance, situation.memory.readiness.get(instance.id))
  return { ...base, power, reason: power, message, lookAgainAt, settled: true }
}

/** What a next start would change, as the end of a sentence; empty: nothing. */
function hardwareChanges(instance: OrderInstance, own: OwnDomain, about: Surroundings): string {
  const parts = instance.volumes.flatMap(id => {
    const verdict = about.volumes.get(id)
    return verdict?.growthPending === true ? [verdict.message] : []
  })
  if (hardwareOf(instance, about.indexes.formats) !== own.metadata.hardware) {
    const { memoryMib, vcpus } = own.domain
    const { metadata } = own
    if (memoryMib !== instance.memoryMib) parts.push(`${instance.memoryMib} MiB, has ${memoryMib}`)
    if (vcpus !== instance.vcpus) parts.push(`${counted(instance.vcpus, 'vcpu')}, has ${vcpus}`)
    if (differ(metadata.volumes, instance.volumes)) {
      parts.push(`${counted(instance.volumes.length, 'volume')}, has ${metadata.volumes.length}`)
    }
    const ports = instance.ports.map(port => port.id)
    if (differ(metadata.ports, ports))
      parts.push(`${counted(ports.length, 'port')}, has ${metadata.ports.length}`)
    if (parts.length === 0) parts.push('other features of its processor, ports or volumes')
  }
  return parts.length === 0 ? '' : `; with its next start: ${parts.join(', ')}`
}

const differ = (some: readonly string[], others: readonly string[]): boolean =>
  some.length !== others.length || some.some((each, index) => each !== others[index])
