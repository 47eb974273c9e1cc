/**
 * What must hold where the storage tells: a device that lies is not believed of a host that goes on
 * writing to the storage, where somebody looks at it whom the controller hears. That is asked only
 * where all three have gone on for a while: the host with writing, he with looking, the controller
 * with leading.
 */
import type { Ms } from '#shared/units.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import type { Machine } from './machine.ts'

/** For so long: it is waited that long for a word after a device has read off. */
const whileMs: Ms = 4_500

export class StorageOracle {
  readonly #cloud: LeanCloud
  /** Since when each has written and looked without a pause, and is heard. */
  readonly #since = new Map<Machine, Ms>()
  /** Since when somebody looks at the heartbeats of another one, by both. */
  readonly #looksSince = new Map<string, { readonly since: Ms; readonly at: Ms }>()
  #leads: { readonly who: LeanController | undefined; readonly since: Ms } | undefined

  constructor(cloud: LeanCloud) {
    this.#cloud = cloud
  }

  /** Looked at once a second. */
  tick(): void {
    const { leader, timeline, machines } = this.#cloud
    const { now } = timeline
    if (this.#leads?.who !== leader) this.#leads = { who: leader, since: now }
    for (const machine of machines) {
      const since = this.#isFine(machine) ? (this.#since.get(machine) ?? now) : undefined
      if (since === undefined) this.#since.delete(machine)
      else this.#since.set(machine, since)
    }
  }

  #isFine(machine: Machine): boolean {
    const { storageIsCut, diskIsSlow, runs } = machine
    if (this.#cloud.storage.isWriting(machine)) return false
    return runs && !storageIsCut && !diskIsSlow && this.#cloud.agentOf(machine).runs
  }

  /** A host looks at what another one has written. */
  looks(by: Machine, at: Machine): void {
    if (at.device !== 'lying') return
    const { leader, net, timeline } = this.#cloud
    const { now } = timeline
    const key = `${by.name} ${at.name}`
    const isHeard = leader !== undefined && net.isPrompt(by, leader.machine)
    const before = this.#looksSince.get(key)
    if (!isHeard) this.#looksSince.delete(key)
    else if (before && now - before.at <= 1_500) this.#looksSince.set(key, { ...before, at: now })
    else this.#looksSince.set(key, { since: now, at: now })
  }

  /** The word of a device is taken for proof, while its host runs on. */
  believed(machine: Machine): void {
    const by = this.#cloud.machines.find(other => other !== machine && this.#tells(other, machine))
    if (by) {
      const seen = `${by.name} sees it write to the storage`
      this.#cloud.problem(`${machine.name} is proven off by a device that lies, and ${seen}`)
    } else this.#cloud.count('lies believed')
  }

  #tells(other: Machine, machine: Machine): boolean {
    const { now } = this.#cloud.timeline
    const looks = this.#looksSince.get(`${other.name} ${machine.name}`)
    const begun = [
      ...[this.#leads?.since, this.#since.get(machine), this.#since.get(other), looks?.since]
    ]
    const isAll = begun.every(since => since !== undefined && now - since >= whileMs)
    return isAll && looks !== undefined && now - looks.at <= 1_500
  }
}
