/**
 * Stands in for the heartbeats on shared storage: each machine whose agent's program is there
 * overwrites its own once a second, and agents look at those of their peers. A write is under way
 * for longer where the disk is slow, and may come through when its writer has no power any more.
 *
 * What it leaves out: a look takes no time, and finds nothing where the disk is slow; those who
 * reach a peer look for its heartbeat once a second, as they do for itself, not twice.
 */
import type { Ms } from '#shared/units.ts'
import type { ReportStorage } from '#shared/wire/storage.ts'
import {
  isStill,
  type StorageBeat,
  type StorageSight,
  seenOf,
  sighted,
  silenceOfWriting
} from '../../../agent/core/storage-heartbeats.ts'
import type { LeanCloud } from './cloud.ts'
import type { Machine } from './machine.ts'
import { StorageOracle } from './storage-oracle.ts'

/** The one pool that all see. */
const pool = 'far'
/** A write on a slow disk takes up to so long. Unit: ms. */
const slowMsMax: Ms = 15_000

/** What lies on the storage. */
export class StorageBeats {
  readonly #cloud: LeanCloud
  readonly #beats = new Map<string, StorageBeat>()
  /** Machines with a write under way. */
  readonly #writing = new Set<Machine>()
  /** When the last write of each began that came through, by its own clock. */
  readonly #wroteAt = new Map<Machine, Ms>()
  readonly oracle: StorageOracle
  #number = 0

  constructor(cloud: LeanCloud) {
    this.#cloud = cloud
    this.oracle = new StorageOracle(cloud)
  }

  /** Once a second. */
  tick(): void {
    if (!this.#cloud.founded.storageBeats) return
    this.#number += 1
    this.oracle.tick()
    for (const machine of this.#cloud.machines) if (this.#mayWrite(machine)) this.#write(machine)
  }

  #mayWrite(machine: Machine): boolean {
    if (!machine.runs || machine.storageIsCut || this.#writing.has(machine)) return false
    return this.#cloud.agentOf(machine).isRunning
  }

  #write(machine: Machine): void {
    const { uuid: host, bootId, monotonic, turns } = machine
    const beat = { host, bootId, number: this.#number, monotonicMs: monotonic, state: '' }
    if (!machine.diskIsSlow) {
      this.#written(machine, beat)
      return
    }
    this.#writing.add(machine)
    const { timeline, chance } = this.#cloud
    timeline.after(slowMsMax * chance(), () => {
      this.#writing.delete(machine)
      if (machine.turns === turns || chance() < 0.5) this.#written(machine, beat)
    })
  }

  #written(machine: Machine, beat: StorageBeat): void {
    this.#beats.set(beat.host, beat)
    this.#wroteAt.set(machine, beat.monotonicMs)
  }

  /** Whether a slow write of a machine is under way: until that has come through it begins none. */
  isWriting(machine: Machine): boolean {
    return this.#writing.has(machine)
  }

  /** What a machine finds of another one; undefined: nothing. */
  read(machine: Machine, host: string): StorageBeat | undefined {
    if (machine.storageIsCut || machine.diskIsSlow) return undefined
    const other = this.#cloud.agentByUuid(host)?.machine
    if (other) this.oracle.looks(machine, other)
    return this.#beats.get(host)
  }

  /** When a machine last got through to the storage. */
  wroteAt(machine: Machine): Ms | undefined {
    return this.#wroteAt.get(machine)
  }
}

/** What one agent has found of its peers. */
export class StorageSights {
  readonly #cloud: LeanCloud
  readonly #machine: Machine
  readonly #sights = new Map<string, StorageSight>()
  #since: Ms = 0

  constructor(cloud: LeanCloud, machine: Machine) {
    this.#cloud = cloud
    this.#machine = machine
  }

  begin(): void {
    this.#sights.clear()
    this.#since = this.#machine.monotonic
  }

  keepOnly(hosts: ReadonlySet<string>): void {
    for (const host of this.#sights.keys()) if (!hosts.has(host)) this.#sights.delete(host)
  }

  /** Looks at that of a peer; says whether that is news. */
  look(host: string, isMissed: boolean): boolean {
    const now = this.#machine.monotonic
    const last = this.#sights.get(host)
    const beat = this.#cloud.storage.read(this.#machine, host)
    const sight = sighted(last, { beganAt: now, endedAt: now, beat })
    if (!sight || sight === last) return false
    this.#sights.set(host, sight)
    if (isMissed && last?.beat.number !== sight.beat.number) return true
    return last !== undefined && isStill(last) !== isStill(sight)
  }

  /** What a report says; undefined: nobody writes to this storage. */
  get said(): readonly ReportStorage[] | undefined {
    if (!this.#cloud.founded.storageBeats) return undefined
    const now = this.#machine.monotonic
    const wroteAt = this.#cloud.storage.wroteAt(this.#machine)
    const own = wroteAt === undefined ? {} : { wroteAt: Math.max(wroteAt, this.#since) }
    const fault = silenceOfWriting({ since: this.#since, toldAt: now, ...own })
    const seen = [...this.#sights.values()].map(sight => seenOf(sight, now))
    return [{ pool, ...(fault !== undefined && { fault }), seen }]
  }
}
