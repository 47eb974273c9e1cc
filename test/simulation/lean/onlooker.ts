/** What an agent finds when it looks for its peers; a look in vain is over a second later. */
import type { Peers } from '#shared/wire/messages.ts'
import type { PeerSeen } from '#shared/wire/order.ts'
import type { Beside } from '../../../agent/core/report.ts'
import type { MachineSign } from '../../../controller/core/witnesses.ts'
import type { LeanCloud } from './cloud.ts'
import type { Machine } from './machine.ts'

/** What is being made, before others read it. */
export type Writable<T> = { -readonly [Field in keyof T]: T[Field] }

type Found = { readonly reached: boolean; readonly sign: PeerSeen['sign']; readonly at: number }

export class Onlooker {
  readonly #cloud: LeanCloud
  readonly #machine: Machine
  #peers: Pick<Peers, 'print' | 'probe'> = { print: '', probe: [] }
  readonly #found = new Map<string, Found>()
  #missed: readonly (readonly [string, MachineSign])[] = []

  constructor(cloud: LeanCloud, machine: Machine) {
    this.#cloud = cloud
    this.#machine = machine
  }

  begin(): void {
    this.#peers = { print: '', probe: [] }
    this.#found.clear()
    this.#missed = []
  }

  setPeers(peers: Peers): void {
    this.#peers = peers
    const hosts = new Set(peers.probe.map(({ host }) => host))
    for (const host of this.#found.keys()) if (!hosts.has(host)) this.#found.delete(host)
  }

  /** Looks for each once; says whether one is found otherwise than before. */
  look(): boolean {
    const at = this.#machine.monotonic
    let isNews = false
    const note = (host: string, found: Found): void => {
      const before = this.#found.get(host)
      this.#found.set(host, found)
      if (before?.reached !== found.reached || before.sign !== found.sign) isNews = true
    }
    for (const [host, sign] of this.#missed) note(host, { reached: false, sign, at })
    const missed: (readonly [string, MachineSign])[] = []
    for (const { host } of this.#peers.probe) {
      const sign = this.#cloud.signOf(this.#machine, host)
      if (sign === undefined) note(host, { reached: true, sign, at })
      else missed.push([host, sign])
    }
    this.#missed = missed
    return isNews
  }

  /** Has a report say what was found. */
  sayIn(report: Writable<Beside>): void {
    const now = this.#machine.monotonic
    const peers: PeerSeen[] = []
    for (const [host, { reached, sign, at }] of this.#found) {
      const ageMs = Math.max(0, Math.round(now - at))
      peers.push(sign ? { host, reached, sign, ageMs } : { host, reached, ageMs })
    }
    report.peersPrint = this.#peers.print
    report.peers = peers
  }
}
