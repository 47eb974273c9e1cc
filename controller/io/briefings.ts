/**
 * What every host is told beside its order: the signed list of candidates, and which peers it shall
 * look for. Both are level-triggered as orders are: a host says in each report what it has, and
 * what it lacks it is told again.
 */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import type { Report } from '#shared/wire/order.ts'
import { type PeerRing, ringOf } from '../core/peer-ring.ts'
import type { Mesh } from '../core/ports.ts'
import type { View } from '../core/view.ts'

/** What was sent and not taken yet is sent again after so long. Unit: ms. */
const repeatMs: Ms = 1_000
/** An older copy of a journal is at most so many versions behind; no host is believed more. */
const versionsBehindMax = 10_000
/** Who looks for whom is worked out anew at most this often. Unit: ms. */
const ringMs: Ms = 1_000

/** What briefings are made of. */
export type BriefingOptions = {
  readonly view: View
  readonly mesh: Mesh
  /** Resolves once all that the view holds is recorded. */
  readonly durable: () => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

/** Tells hosts what they lack; asked at each report. */
export class Briefings {
  readonly #options: BriefingOptions
  /** When a host was told something last, by its name and what it was. */
  readonly #toldAt = new Map<string, Ms>()
  #versionSeen = 0
  #ring: PeerRing | undefined
  #ringAt: Ms = Number.NEGATIVE_INFINITY

  constructor(options: BriefingOptions) {
    this.#options = options
  }

  /** The highest version of the list that a host keeps. */
  get versionSeen(): number {
    return this.#versionSeen
  }

  /** A host that is let in keeps this version: one that is higher than ours can be is a lie. */
  noteVersion(version: number): void {
    const own = this.#options.view.cloud?.bootstrap?.bootstrap.version ?? 0
    if (version <= own + versionsBehindMax) {
      this.#versionSeen = Math.max(this.#versionSeen, version)
    }
  }

  /** A host has said what it has: it is told what it lacks. */
  heard(host: Host, report: Report): void {
    const { cloud } = this.#options.view
    const { bootstrap: signed, signing } = cloud ?? {}
    const { bootstrapVersion = 0 } = report
    this.noteVersion(bootstrapVersion)
    if (signed && signing && bootstrapVersion < signed.bootstrap.version) {
      this.#tell(host, { type: 'bootstrap', signed, cloudKey: signing.publicKey })
    }
    if (report.probeEndpoint === undefined) return
    const peers = this.#currentRing().peersOf(host.decided.uuid)
    if (peers && peers.print !== report.peersPrint) this.#tell(host, peers)
  }

  /** The list has changed: all hosts that are heard get it at once. */
  renewed(): void {
    const { view } = this.#options
    this.#toldAt.clear()
    for (const host of view.all('host').values()) {
      const { report, connected } = view.heard(host.name)
      if (connected && report) this.heard(host, report)
    }
  }

  #currentRing(): PeerRing {
    const { clock, view } = this.#options
    const now = clock.monotonic()
    if (this.#ring && now - this.#ringAt < ringMs) return this.#ring
    this.#ringAt = now
    this.#ring = ringOf(view, this.#ring)
    return this.#ring
  }

  /** Nothing leaves before it is recorded. */
  #tell(host: Host, message: ToAgent): void {
    const { clock, mesh, durable, log } = this.#options
    const key = `${host.name} ${message.type}`
    const now = clock.monotonic()
    if (now - (this.#toldAt.get(key) ?? Number.NEGATIVE_INFINITY) < repeatMs) return
    this.#toldAt.set(key, now)
    const { uuid } = host.decided
    const told = durable().then(() => mesh.send(uuid as HostId, message))
    told.catch(thrown => {
      if (!isFault(thrown)) throw thrown
      log.debug('host not told', { host: host.name, because: sentence(thrown) })
    })
  }
}
