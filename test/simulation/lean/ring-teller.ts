/** Tells hosts whom they shall look for, if they go by another list; asked at each report. */
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { type PeerRing, ringOf } from '../../../controller/core/peer-ring.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'

/** Who looks for whom is worked out anew, and told again, at most this often. Unit: ms. */
const ringMs: Ms = 1_000

export class RingTeller {
  readonly #cloud: LeanCloud
  readonly #controller: LeanController
  readonly #toldAt = new Map<string, Ms>()
  #ring: PeerRing | undefined
  #at: Ms = Number.NEGATIVE_INFINITY
  /** At which position of the journal it was worked out. */
  #position = -1

  constructor(cloud: LeanCloud, controller: LeanController) {
    this.#cloud = cloud
    this.#controller = controller
  }

  begin(): void {
    this.#ring = undefined
    this.#at = Number.NEGATIVE_INFINITY
    this.#position = -1
    this.#toldAt.clear()
  }

  heard(host: Host, report: Report): void {
    const { view, epoch, machine, mayAct } = this.#controller
    const now = machine.monotonic
    if (now - this.#at >= ringMs && this.#position !== view.position) {
      this.#ring = ringOf(view, this.#ring)
      this.#at = now
      this.#position = view.position
    }
    const peers = this.#ring?.peersOf(host.decided.uuid)
    if (!peers || peers.print === report.peersPrint) return
    if (now - (this.#toldAt.get(host.name) ?? Number.NEGATIVE_INFINITY) < ringMs) return
    this.#toldAt.set(host.name, now)
    const agent = this.#cloud.agentByUuid(host.decided.uuid)
    if (!agent || !mayAct) return
    const hear = (): void => agent.hearPeers(this.#controller, peers, epoch)
    this.#cloud.net.send(machine, agent.machine, hear)
  }
}

/** Whether a report says more than the one before: else it only says that the host lives. */
export const saysOtherwise = (before: Report | undefined, report: Report): boolean =>
  before?.agentRun !== report.agentRun ||
  before.generation !== report.generation ||
  before.epoch !== report.epoch ||
  before.instances !== report.instances ||
  before.notices !== report.notices ||
  before.peersPrint !== report.peersPrint ||
  before.selfFence !== report.selfFence ||
  report.peers?.some(({ reached }, at) => reached !== before.peers?.[at]?.reached) === true
