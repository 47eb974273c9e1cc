/**
 * What an agent finds when it looks for its peers, and for their heartbeats on shared storage; a
 * look in vain is over a second later.
 */
import type { Ms } from '#shared/units.ts'
import type { Peers } from '#shared/wire/messages.ts'
import type { PeerSeen, Report } from '#shared/wire/order.ts'
import type { Beside } from '../../../agent/core/report.ts'
import type { MachineSign } from '../../../controller/core/witnesses.ts'
import type { LeanCloud } from './cloud.ts'
import type { Machine } from './machine.ts'
import { StorageSights } from './storage-beats.ts'

/** What is being made, before others read it. */
export type Writable<T> = { -readonly [Field in keyof T]: T[Field] }

type Found = {
  readonly reached: boolean
  readonly sign: PeerSeen['sign']
  readonly at: Ms
  /** When it was lost, of looks in a row. */
  readonly missedSince: Ms | undefined
}

/** Looks that are further apart are not in a row. Unit: ms. */
const apartMsMax: Ms = 4_000

export class Onlooker {
  readonly #cloud: LeanCloud
  readonly #machine: Machine
  #peers: Pick<Peers, 'print' | 'probe'> = { print: '', probe: [] }
  readonly #found = new Map<string, Found>()
  readonly #storage: StorageSights
  #missed: readonly (readonly [string, MachineSign])[] = []

  constructor(cloud: LeanCloud, machine: Machine) {
    this.#cloud = cloud
    this.#machine = machine
    this.#storage = new StorageSights(cloud, machine)
  }

  begin(): void {
    this.#peers = { print: '', probe: [] }
    this.#found.clear()
    this.#storage.begin()
    this.#missed = []
  }

  setPeers(peers: Peers): void {
    this.#peers = peers
    const hosts = new Set(peers.probe.map(({ host }) => host))
    for (const host of this.#found.keys()) if (!hosts.has(host)) this.#found.delete(host)
    this.#storage.keepOnly(hosts)
  }

  /** Twice a second: every other time it looks for them. Says whether that brings any news. */
  look(beats: number): boolean {
    const isBetween = beats % 2 === 1
    const isNews = !isBetween && this.#lookForPeers()
    return this.#lookAtStorage(isBetween) || isNews
  }

  /** Looks for each once; says whether one is found otherwise than before. */
  #lookForPeers(): boolean {
    const at = this.#machine.monotonic
    let isNews = false
    const note = (host: string, reached: boolean, sign?: MachineSign): void => {
      const before = this.#found.get(host)
      const inARow = before && at - before.at <= apartMsMax ? before : undefined
      const missedSince = reached ? undefined : inARow?.reached ? at : inARow?.missedSince
      this.#found.set(host, { reached, sign, at, missedSince })
      if (before?.reached !== reached || before.sign !== sign) isNews = true
    }
    for (const [host, sign] of this.#missed) note(host, false, sign)
    const missed: (readonly [string, MachineSign])[] = []
    for (const { host } of this.#peers.probe) {
      const sign = this.#cloud.signOf(this.#machine, host)
      if (sign === undefined) note(host, true)
      else missed.push([host, sign])
    }
    this.#missed = missed
    return isNews
  }

  /** Looks at what they wrote to the storage; between two looks for them, at those it misses. */
  #lookAtStorage(isBetween: boolean): boolean {
    let isNews = false
    for (const { host } of this.#peers.probe) {
      const isMissed = this.#found.get(host)?.reached === false
      if ((isMissed || !isBetween) && this.#storage.look(host, isMissed)) isNews = true
    }
    return isNews
  }

  /** Has a report say what was found. */
  sayIn(report: Writable<Beside & Pick<Report, 'storage'>>): void {
    const now = this.#machine.monotonic
    const peers: PeerSeen[] = []
    for (const [host, { reached, sign, at, missedSince }] of this.#found) {
      const ageMs = Math.max(0, Math.round(now - at))
      const word = sign ? { host, reached, sign, ageMs } : { host, reached, ageMs }
      if (missedSince === undefined) peers.push(word)
      else peers.push({ ...word, missedMs: Math.max(0, Math.round(now - missedSince)) })
    }
    report.peersPrint = this.#peers.print
    report.peers = peers
    const { said } = this.#storage
    if (said) report.storage = said
  }
}
