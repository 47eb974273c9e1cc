/**
 * What must never happen, looked at in the moment in which it would, and what must sometimes: a
 * batch in which it never does shows nothing. It knows the truth, and the journal as it is written.
 */
import { uuidOf } from '#shared/ids.ts'
import type { Host, HostRecovery } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import type { Order } from '#shared/wire/order.ts'
import type { Domain } from '../../../agent/core/ports.ts'
import type { Change, Commit } from '../../../controller/core/commit.ts'
import type { LeanBootd } from './bootd.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import type { LeanEntry } from './ensemble.ts'
import { groupsHold } from './group-oracle.ts'
import type { Machine } from './machine.ts'

/** What a batch of a hundred seeds must have brought about. */
export const wanted = [
  ...['verb fencing', 'verb fenced', 'verb fence-withdrawn', 'verb evacuated', 'verb host-back'],
  ...['verb fence-lied', 'verb moved', 'verb drained', 'verb armed', 'verb disarmed'],
  ...['verb fence-held-brake', 'verb fence-held-disarmed'],
  ...['proof off-confirmed', 'proof expired', 'proof operator'],
  ...['fences failed, then confirmed', 'evacuated instances run', 'promises tried'],
  ...['messages of deposed controllers refused', 'reigns', 'bootds changed'],
  ...['self-fence ending', 'self-fence ended', 'self-fence waiting', 'watchdogs bite'],
  ...['verb fence-held-rack', 'host fenced while it ran', 'a wish refused: capacity'],
  ...['verb fence-contradicted', 'verb storage-silent', 'verb storage-writes'],
  ...['verb start-waits', 'orders that hold one back', 'verb preempted', 'verb crash-loop'],
  ...['verb move-failed', 'verb balance-begun', 'verb balanced', 'drained with its group'],
  ...['wishes that kept the promise'],
  ...['came by a rule of a group: apart on one host', 'came by a rule of a group: with on one host']
] as const

/** What should have happened in these counts, and did not. */
export const sometimes = (counts: Readonly<Record<string, number>>): readonly string[] =>
  wanted.filter(what => !counts[what])

const isOfHost = (change: Change): boolean => change.op === 'put' && change.resource.kind === 'host'

/** Who was not heard for so long is missing. Unit: ms. */
const longMs = 2_000
/** Losses within this time count together. Unit: ms. */
const togetherMs = 60_000
/** With more missing at once nobody is fenced. */
const mostAtOnce = (total: number, reserve: number): number =>
  Math.max(1, Math.floor(total / 3), Math.min(reserve, Math.ceil(total / 2) - 1))

export class Oracle {
  readonly #cloud: LeanCloud
  readonly hosts = new Map<string, Host>()
  readonly instances = new Map<string, Instance>()
  /** Fences of which it was said that they had failed. */
  readonly #failed = new Set<string>()
  readonly #confirmed = new Set<string>()
  readonly #applied = new Map<string, number>()
  /** When whoever led has heard each host, in true time. */
  readonly #heardAt = new Map<string, Ms>()
  /** Instances that have left a dead host and do not run yet. */
  readonly #evacuated = new Set<string>()

  constructor(cloud: LeanCloud) {
    this.#cloud = cloud
  }

  /** A domain has begun to run. */
  started(machine: Machine, { uuid, name }: Domain, isShared: boolean): void {
    if (!isShared) return
    if (this.#evacuated.delete(uuid)) this.#cloud.count('evacuated instances run')
    for (const other of this.#cloud.machines) {
      if (other === machine || !other.domains.has(uuid)) continue
      if (other.hasLied || machine.hasLied) this.#cloud.count('double runs after a lie')
      else this.#cloud.problem(`${name} runs on ${other.name} and starts on ${machine.name}`)
    }
    const recovery = this.#recoveryOf(machine.name)
    if (recovery?.phase === 'fenced' && !machine.hasLied) {
      this.#cloud.problem(`${name} starts on ${machine.name}, which is proven off`)
    }
  }

  /** An agent takes an order on. */
  applied(machine: Machine, { epoch }: Order): void {
    const before = this.#applied.get(machine.name) ?? 0
    if (epoch < before) this.#cloud.problem(`${machine.name} goes back from epoch ${before}`)
    this.#applied.set(machine.name, epoch)
  }

  /** A controller has something done that others see. */
  acts(controller: LeanController): void {
    const { ensemble, timeline } = this.#cloud
    for (const name of this.hosts.keys()) {
      const silentMs = controller.machine.monotonic - (controller.view.heard(name).heardAt ?? 0)
      if (silentMs < longMs) this.#heardAt.set(name, timeline.now - silentMs)
    }
    if (!controller.mayAct) this.#cloud.problem(`${controller.name} acts without its lease`)
    if (ensemble.first === controller.member && ensemble.epoch === controller.epoch) return
    this.#cloud.problem(`${controller.name} acts, and another one is first`)
  }

  /** A bootd takes orders on. */
  wanted(bootd: LeanBootd, { epoch, seen }: { readonly epoch: number; readonly seen: number }) {
    if (epoch < seen) this.#cloud.problem(`bootd of ${bootd.name} goes back from epoch ${seen}`)
  }

  /** A device is told to switch a machine. */
  switching(machine: Machine, goal: 'off' | 'on'): void {
    if (goal === 'on' || machine.device === 'dead') return
    const isWanted = this.#recoveryOf(machine.name) !== undefined
    if (!isWanted) this.#cloud.count('a fence that was withdrawn meanwhile')
    else if (machine.runs) this.#cloud.count('host fenced while it ran')
  }

  /** A controller has decided something by itself, and not folded it yet. */
  decides({ view, machine }: LeanController, commit: Commit): void {
    for (const change of commit.changes) {
      if (change.op !== 'put' || change.resource.kind !== 'host') continue
      const { name, decided } = change.resource
      const before = view.named('host', name)?.decided.recovery
      if (decided.recovery?.phase !== 'fencing' || before?.id === decided.recovery.id) continue
      const inService = [...view.all('host').values()].filter(
        ({ decided: { duty, fenceTest } }) => duty?.state !== 'maintenance' && !fenceTest
      )
      const lostAt = inService.flatMap(other => {
        // One that this controller has never heard was lost when another one has heard it last.
        const agoMs = this.#cloud.timeline.now - (this.#heardAt.get(other.name) ?? 0)
        const { heardAt = machine.monotonic - agoMs } = view.heard(other.name)
        const { recovery } = other.decided
        const isMissing = recovery
          ? recovery.phase === 'fencing'
          : machine.monotonic - heardAt > longMs
        // One that is being fenced may speak meanwhile: it was lost all the same.
        const takenAt = view.lostSince(other.name)
        const at = Number.isFinite(takenAt) ? Math.min(heardAt, takenAt) : heardAt
        return isMissing ? [at] : []
      })
      const reserve = view.cloud?.healing?.reserveHosts ?? 0
      for (const at of lostAt) {
        const together = lostAt.filter(other => Math.abs(other - at) <= togetherMs).length
        const left = inService.length - lostAt.filter(other => other < at - togetherMs).length
        if (together <= mostAtOnce(left, reserve)) continue
        const many = `${together} of ${left} hosts`
        this.#cloud.problem(`${name} is taken for dead while ${many} are missing at once`)
        break
      }
    }
  }

  found({ fence }: FenceOrder, verdict: FenceState['verdict']): void {
    if (fence === undefined) return
    if (verdict?.verdict === 'unknown') this.#failed.add(fence)
    if (verdict?.verdict === 'off-confirmed' && this.#failed.has(fence)) {
      this.#cloud.count('fences failed, then confirmed')
    }
  }

  /** An entry is in the journal. */
  recorded({ commit }: LeanEntry): void {
    for (const { verb } of commit.decisions) this.#cloud.count(`verb ${verb}`)
    const before = commit.changes.some(isOfHost) ? new Map(this.hosts) : this.hosts
    for (const change of commit.changes) {
      if (change.op === 'put' && change.resource.kind === 'host') this.#putHost(change.resource)
      if (change.op === 'remove' && change.kind === 'instance') this.instances.delete(change.id)
    }
    for (const change of commit.changes) {
      if (change.op !== 'put' || change.resource.kind !== 'instance') continue
      this.#putInstance(change.resource, before)
    }
  }

  #putHost(host: Host): void {
    const before = this.hosts.get(host.name)?.decided.recovery
    const { recovery } = host.decided
    this.hosts.set(host.name, host)
    if (recovery?.phase === 'fenced' && before?.phase !== 'fenced') this.#proven(host, recovery)
  }

  #proven({ name }: Host, { proof, id }: HostRecovery): void {
    const machine = this.#cloud.machine(name)
    this.#cloud.count(`proof ${proof?.verdict}`)
    this.#confirmed.add(id)
    const runs = [...machine.domains.values()].filter(({ uuid }) => this.#couldRunElsewhere(uuid))
    if (runs.length === 0) return
    if (machine.hasLied && proof?.verdict !== 'off-confirmed') this.#cloud.count('lies believed')
    else if (machine.hasLied) this.#cloud.storage.oracle.believed(machine)
    else {
      const what = `${runs.length} instances run there`
      this.#cloud.problem(`${name} is proven off (${proof?.verdict}), and ${what}`)
    }
  }

  #couldRunElsewhere(uuid: string): boolean {
    for (const { id, spec } of this.instances.values()) {
      if (uuidOf(id) === uuid) return spec.pool === 'far'
    }
    return false
  }

  #putInstance(instance: Instance, hosts: ReadonlyMap<string, Host>): void {
    const before = this.instances.get(instance.id)?.decided
    groupsHold(this.#cloud, instance, { hosts, instances: this.instances })
    this.instances.set(instance.id, instance)
    if (instance.decided.preempted && !before?.preempted) this.#yields(instance)
    const from = before?.host
    if (from === undefined || from === instance.decided.host || before?.moving) return
    if (hosts.get(from)?.decided.recovery?.phase === 'fenced') {
      this.#evacuated.add(uuidOf(instance.id))
      return
    }
    this.#cloud.problem(`${instance.name} leaves ${from}, which is not proven off`)
  }

  /** Nobody is stopped for another one but the less important, and where that is allowed. */
  #yields({ name, spec, decided }: Instance): void {
    const other = this.instances.get(decided.preempted!.for)
    if (!this.#cloud.founded.mayYield) {
      this.#cloud.problem(`${name} is stopped for another one, which nobody has allowed`)
    }
    if (other && other.spec.priority > spec.priority) return
    this.#cloud.problem(`${name} is stopped for ${other?.name}, which is no more important`)
  }

  #recoveryOf = (host: string): HostRecovery | undefined => this.hosts.get(host)?.decided.recovery
}
