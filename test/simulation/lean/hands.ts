/**
 * Stands in for libvirt, storage and the kernel of one machine: how long a step takes, whether it
 * fails, and what it changes. A step that has begun goes on when the agent dies, as a call to
 * libvirt does; with the power all is gone.
 */
import { Fault } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import { type DomainPlan, domainName, metadataOf } from '../../../agent/core/domain-plan.ts'
import { writeMetadata } from '../../../agent/core/metadata.ts'
import { timestamp } from '../../../agent/core/moment.ts'
import type {
  Domain,
  DomainEvent,
  DomainKey,
  HypervisorAbilities,
  StoredPool,
  StoredVolume,
  Transfer
} from '../../../agent/core/ports.ts'
import type { Step, StepResult, StepType } from '../../../agent/core/steps.ts'
import type { LeanCloud } from './cloud.ts'
import type { Machine } from './machine.ts'

/** How long a step takes at least and at most. Unit: ms. */
const takesMs: Partial<Readonly<Record<StepType, readonly [Ms, Ms]>>> = {
  'fetch-image': [200, 2_000],
  'create-volume': [50, 800],
  'create-domain': [200, 1_500],
  'migrate-domain': [500, 5_000],
  destroy: [20, 500]
}
const quickMs = [2, 60] as const

/** What libvirt says of itself. */
export const abilities: HypervisorAbilities = {
  ...{ libvirtVersion: '9.0.0', qemu: true, lxc: false },
  ...{ qemuVersion: '7.2.22', emulator: '/usr/bin/qemu', machine: 'q35', emulatorUid: 0 }
}

/** How far whatever is being sent is. */
export const halfway: Transfer = {
  ...{ totalMib: 512, remainingMib: 100 },
  ...{ mibPerSecond: 100, writtenMibPerSecond: 1, round: 1 }
}

/** What came of a step. */
export type Outcome = StepResult | Fault

/** A domain of a plan, as libvirt shows it. */
export const domainOf = (plan: DomainPlan, startedAt: string): Domain => ({
  uuid: uuidOf(plan.instance.id),
  name: domainName(plan.instance),
  driver: plan.driver,
  state: 'running',
  reason: 'booted',
  metadata: writeMetadata(metadataOf(plan, startedAt)),
  memoryMib: plan.instance.memoryMib,
  vcpus: plan.instance.vcpus
})

export const storedVolume = (id: string, pool: string, sizeMib: number): StoredVolume => ({
  ...{ id, pool, format: 'qcow2', path: `/pools/${pool}/${id}` },
  ...{ sizeMib, usedMib: 1 }
})

/** Does the steps of a machine; told of each end and of each event of libvirt. */
export class Hands {
  readonly #cloud: LeanCloud
  readonly #machine: Machine
  readonly #onEvent: (event: DomainEvent) => void

  constructor(cloud: LeanCloud, machine: Machine, onEvent: (event: DomainEvent) => void) {
    this.#cloud = cloud
    this.#machine = machine
    this.#onEvent = onEvent
  }

  /** Begins a step; `over` is called at its end, unless the power is gone by then. */
  begin(step: Step, over: (outcome: Outcome) => void): void {
    const { timeline, chance } = this.#cloud
    const [least, most] = takesMs[step.type] ?? quickMs
    const slowMs = this.#machine.diskIsSlow ? 15_000 * chance() : 0
    if (step.type === 'migrate-domain') {
      this.#machine.sending.set(step.domain.uuid, { calledBack: false })
    }
    const { turns } = this.#machine
    const end = (): void => {
      if (this.#machine.turns !== turns) return
      // Nothing that is asked of libvirt comes back while it hangs, nor while the kernel does.
      if (this.#machine.hangs || this.#machine.libvirtHangs) timeline.after(300, end)
      else over(this.#perform(step))
    }
    timeline.after(least + (most - least) * chance() + slowMs, end)
  }

  /** What is in a pool, and whether it can be used. */
  pool(
    name: string,
    isShared: boolean
  ): StoredPool & { readonly volumes: readonly StoredVolume[] } {
    const failure =
      isShared && this.#machine.storageIsCut ? `pool ${name} does not answer` : undefined
    const volumes = isShared ? this.#cloud.sharedVolumes.list : [...this.#machine.volumes.values()]
    const room = { capacityMib: 1_000_000, freeMib: 900_000 }
    return { name, path: `/pools/${name}`, ...room, failure, volumes }
  }

  #perform(step: Step): Outcome {
    switch (step.type) {
      case 'open-pool': {
        const { volumes, ...pool } = this.pool(step.pool.name, step.pool.shared)
        return { pool, poolVolumes: pool.failure === undefined ? volumes : [] }
      }
      case 'create-volume':
      case 'grow-volume':
        return this.#makeVolume(step)
      case 'remove-volume':
        if (step.pool.shared) this.#cloud.sharedVolumes.remove(step.volume.id)
        else this.#machine.volumes.delete(step.volume.id)
        return {}
      case 'keep-images':
        return { images: step.ids }
      case 'apply-networks':
        return { networks: [] }
      case 'create-domain':
        return this.#create(step.plan)
      case 'destroy':
        return this.#end(step.domain, 'destroyed') ? {} : gone()
      case 'shutdown':
        return this.#askToShutDown(step.domain)
      case 'suspend':
      case 'resume':
        return this.#turn(step.domain, step.type === 'suspend' ? 'paused' : 'running')
      case 'migrate-domain':
        return this.#migrate(step.domain, step.to)
      case 'abort-migration': {
        const job = this.#machine.sending.get(step.domain.uuid)
        if (job) job.calledBack = true
        return {}
      }
      case 'fetch-image':
      case 'start-post-copy':
      case 'allow-standstill':
      case 'prepare-arrival':
      case 'forget-instance':
      case 'remove-remains':
        return {}
      case 'reboot':
        this.#cloud.timeline.after(1_000, () => this.#machine.reset())
        return {}
      default:
        return step satisfies never
    }
  }

  #makeVolume(step: Extract<Step, { readonly type: 'create-volume' | 'grow-volume' }>): Outcome {
    const { id, sizeMib, pool } = step.volume
    if (step.pool.shared && this.#machine.storageIsCut) return noStorage()
    const volume = storedVolume(id, pool, sizeMib)
    if (step.pool.shared) this.#cloud.sharedVolumes.put(volume)
    else this.#machine.volumes.set(id, volume)
    return { volume }
  }

  #create(plan: DomainPlan): Outcome {
    const isShared = plan.volumes.some(({ shared }) => shared)
    if (isShared && this.#machine.storageIsCut) return noStorage()
    this.#cloud.starts.begun(this.#machine, plan.instance)
    const domain = domainOf(plan, timestamp(this.#machine.wall))
    if (this.#machine.domains.has(domain.uuid)) {
      return new Fault('conflict', `cannot create ${domain.name}: it is there`)
    }
    this.#cloud.starts.ran(this.#machine, domain.uuid)
    this.#appear(domain, isShared)
    return {}
  }

  #appear(domain: Domain, isShared: boolean): void {
    this.#machine.domains.set(domain.uuid, domain)
    this.#cloud.oracle.started(this.#machine, domain, isShared)
    this.#say(domain, 'started', 'booted')
    this.#boot(domain)
  }

  /** A guest boots: one that is broken ends soon, all others have their guest agent by and by. */
  #boot({ uuid }: Domain): void {
    const { timeline, chance, broken } = this.#cloud
    const { turns, spoilsGuests } = this.#machine
    const isBroken = broken.has(uuid) || spoilsGuests
    const begun = this.#machine.domains.get(uuid)
    timeline.after(isBroken ? 100 + 400 * chance() : 500 + 6_000 * chance(), () => {
      const domain = this.#machine.domains.get(uuid)
      if (this.#machine.turns !== turns || !domain || domain.metadata !== begun?.metadata) return
      if (isBroken) {
        this.#cloud.count('broken guests end')
        return this.crash(uuid)
      }
      this.#machine.domains.set(uuid, { ...domain, guestAgent: true })
      this.#cloud.starts.ready(uuid)
      this.#cloud.agentOf(this.#machine).wake()
    })
  }

  #end({ uuid }: DomainKey, detail: string): boolean {
    const domain = this.#machine.domains.get(uuid)
    if (!domain) return false
    this.#machine.domains.delete(uuid)
    this.#say(domain, detail === 'crashed' ? 'crashed' : 'stopped', detail)
    return true
  }

  /** A guest breaks down by itself. */
  crash(uuid: string): void {
    this.#end({ driver: 'qemu', uuid }, 'crashed')
  }

  #askToShutDown(key: DomainKey): Outcome {
    if (!this.#machine.domains.has(key.uuid)) return gone()
    if (this.#machine.guestsAreDeaf) return {}
    const { timeline, chance } = this.#cloud
    const { turns } = this.#machine
    timeline.after(200 + 800 * chance(), () => {
      if (this.#machine.turns === turns) this.#end(key, 'shutdown')
    })
    return {}
  }

  #turn({ uuid }: DomainKey, state: 'paused' | 'running'): Outcome {
    const domain = this.#machine.domains.get(uuid)
    if (!domain) return gone()
    this.#machine.domains.set(uuid, { ...domain, state, reason: 'user' })
    return {}
  }

  /** It arrives in full and leaves in one moment, or stays. */
  #migrate({ uuid }: DomainKey, to: string): Outcome {
    const domain = this.#machine.domains.get(uuid)
    const job = this.#machine.sending.get(uuid)
    this.#machine.sending.delete(uuid)
    if (!domain) return gone()
    const target = this.#cloud.machine(to)
    const takesIn = target.runs && !target.libvirtHangs && !target.storageIsCut
    const failed = (because: string): Outcome => new Fault('hypervisor', `cannot send: ${because}`)
    if (job?.calledBack) return failed('it was called back')
    if (!takesIn || !this.#cloud.net.reaches(this.#machine, target)) return failed('no answer')
    if (target.domains.has(uuid)) return failed('it is there already')
    this.#machine.domains.delete(uuid)
    this.#say(domain, 'stopped', 'migrated')
    this.#cloud.starts.arrived(target, uuid)
    this.#cloud.agentOf(target).hands.#appear(domain, true)
    return {}
  }

  #say({ uuid, name, driver }: Domain, event: string, detail: string): void {
    this.#onEvent({ uuid, name, driver, event, detail })
  }
}

/** What all machines see of the shared storage. */
export class SharedVolumes {
  readonly #volumes = new Map<string, StoredVolume>()
  list: readonly StoredVolume[] = []

  put(volume: StoredVolume): void {
    this.#volumes.set(volume.id, volume)
    this.list = [...this.#volumes.values()]
  }

  remove(id: string): void {
    this.#volumes.delete(id)
    this.list = [...this.#volumes.values()]
  }
}

const gone = (): Fault => new Fault('not-found', 'there is no such domain')
const noStorage = (): Fault => new Fault('storage', 'cannot use the storage: it does not answer')
