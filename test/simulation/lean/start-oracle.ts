/**
 * What must hold of starts that wait for others, and of those who make room. An order may let one
 * start only while those before it are ready, not wished to run, or late beyond their time; hosts
 * start nobody whom their order holds back; nobody is stopped for another one who need not yield.
 * A controller judges by what hosts have said, so who was ready a moment ago counts as ready.
 */
import { uuidOf } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Ms } from '#shared/units.ts'
import type { Order, OrderInstance } from '#shared/wire/order.ts'
import { beforeOf, isStarted } from '../../../controller/core/start-order.ts'
import { subjectOf } from '../../../controller/core/subject.ts'
import type { View } from '../../../controller/core/view.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import type { Machine } from './machine.ts'

/** Silence, reports and messages on slow lines together: a word is at most so old. Unit: ms. */
const wordMsMax: Ms = 25_000

export class StartOracle {
  readonly #cloud: LeanCloud
  /** When each instance was seen ready last, by UUID. */
  readonly #readyAt = new Map<string, Ms>()
  /** Where each has begun to run last, and where it has gone to from there, by UUID. */
  readonly #ranOn = new Map<string, Set<Machine>>()

  constructor(cloud: LeanCloud) {
    this.#cloud = cloud
  }

  /** Its guest agent is there. */
  ready(uuid: string): void {
    this.#readyAt.set(uuid, this.#cloud.timeline.now)
  }

  /** A host begins to start it. One that ran there goes on as it did, whoever is ready. */
  begun(machine: Machine, { id, name, hold }: OrderInstance): void {
    const uuid = uuidOf(id)
    if (hold && !this.#ranOn.get(uuid)?.has(machine)) {
      this.#cloud.problem(`${machine.name} starts ${name}, which is held back`)
    }
  }

  /** It has been started there; one whose device has lied may go on beside that, as it did. */
  ran(machine: Machine, uuid: string): void {
    const before = [...(this.#ranOn.get(uuid) ?? [])]
    this.#ranOn.set(uuid, new Set([machine, ...before.filter(({ hasLied }) => hasLied)]))
  }

  /** It has arrived there as it ran; if it ends before its move has, it starts where it was. */
  arrived(machine: Machine, uuid: string): void {
    this.#ranOn.get(uuid)?.add(machine)
  }

  /** A controller lets a host start whom it does not hold back. */
  ordered(controller: LeanController, order: Order): void {
    for (const { id, hold } of order.instances) {
      const instance = controller.view.get('instance', id)
      if (!instance?.spec.after?.length) continue
      this.#cloud.count(hold ? 'orders that hold one back' : 'orders that let one start')
      if (!hold) this.#judge(controller, instance)
    }
  }

  #judge({ view, now }: LeanController, instance: Instance): void {
    const { decided, spec } = instance
    if (spec.desiredPower === 'stopped' || decided.moving || decided.deletedAt) return
    if (isStarted(view, instance, now) || hasMoved(view, instance)) return
    for (const { instance: other, stands, name } of beforeOf(view, instance, now)) {
      if (!other || stands === 'over' || other.spec.desiredPower !== 'running') continue
      if (other.decided.deletedAt || this.#isReady(uuidOf(other.id), other)) continue
      this.#cloud.problem(`${instance.name} may start, and ${name} before it is not ready`)
    }
  }

  #isReady(uuid: string, { spec }: Instance): boolean {
    for (const machine of this.#cloud.machines) {
      const domain = machine.domains.get(uuid)
      if (!domain || (spec.readiness?.guestAgent && !domain.guestAgent)) continue
      this.ready(uuid)
      return true
    }
    const readyAt = this.#readyAt.get(uuid) ?? Number.NEGATIVE_INFINITY
    return this.#cloud.timeline.now - readyAt <= wordMsMax
  }

  /** Follows who is ready. */
  tick(): void {
    const { now } = this.#cloud.timeline
    for (const { domains } of this.#cloud.machines) {
      for (const [uuid, { guestAgent }] of domains) if (guestAgent) this.#readyAt.set(uuid, now)
    }
  }
}

/** What ran when it was moved goes on where it is: an order may say so before it is written. */
const hasMoved = (view: View, instance: Instance): boolean =>
  view.history(subjectOf(instance)).findLast(({ by }) => !by.startsWith('agent/'))?.verb === 'moved'

/** Whether one waits, for as long as it takes, for others that are lost with their host. */
export const waitsForLost = (
  view: View,
  { spec, tenant }: Instance,
  isLost: (instance: Instance) => boolean
): boolean =>
  (spec.after ?? []).some(name => {
    const other = view.named('instance', name, tenant)
    if (!other || other.decided.deletedAt || other.spec.desiredPower !== 'running') return false
    if (other.spec.readiness?.late === 'go-on') return false
    return isLost(other) || waitsForLost(view, other, isLost)
  })
