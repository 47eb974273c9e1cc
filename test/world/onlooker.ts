/**
 * What an agent's probes are in virtual time: it looks for the peers that it was told, as often as
 * the real ones do, and the world says what it finds. Whoever does not answer is found so only when
 * the look is over.
 */
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import type { Peers } from '#shared/wire/messages.ts'
import type { PeerSeen } from '#shared/wire/order.ts'

/** As agent/io/probes.ts has them, which is not loaded for it: it opens sockets. */
const [probeEveryMs, probeMsMax]: readonly [Ms, Ms] = [1_000, 1_000]

const apartMsMax: Ms = 2 * (probeEveryMs + probeMsMax)

type Found = Pick<PeerSeen, 'reached' | 'sign'> & { readonly at: Ms; readonly missedSince?: Ms }

export class Onlooker {
  readonly #options: {
    readonly clock: Clock
    readonly look: (peer: HostId) => Pick<PeerSeen, 'reached' | 'sign'>
    readonly changed: () => void
  }
  readonly #found = new Map<string, Found>()
  #peers: Pick<Peers, 'print' | 'probe'> = { print: '', probe: [] }

  constructor(options: {
    readonly clock: Clock
    readonly look: (peer: HostId) => Pick<PeerSeen, 'reached' | 'sign'>
    /** Told when something is found that was not so before. */
    readonly changed: () => void
  }) {
    this.#options = options
  }

  setPeers(peers: Peers): void {
    this.#peers = peers
    const hosts = new Set(peers.probe.map(({ host }) => host))
    for (const host of this.#found.keys()) if (!hosts.has(host)) this.#found.delete(host)
  }

  /** What a report says of it; `endpoint` is where peers find this host. */
  said(endpoint: string) {
    const now = this.#options.clock.monotonic()
    const peers = [...this.#found].map(([host, { at, missedSince, ...found }]) => ({
      host,
      ...found,
      ageMs: Math.max(0, Math.round(now - at)),
      ...(missedSince !== undefined && { missedMs: Math.max(0, Math.round(now - missedSince)) })
    }))
    return { probeEndpoint: endpoint, peersPrint: this.#peers.print, peers }
  }

  /** Whether it did not reach a peer when it last looked. */
  misses(host: string): boolean {
    return this.#found.get(host)?.reached === false
  }

  /** Looks again and again until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const late = new Set<Promise<void>>()
    while (!signal.aborted) {
      for (const { host } of this.#peers.probe) {
        const found = this.#options.look(host as HostId)
        if (found.reached) this.#note(host, found)
        else {
          const over = clock
            .sleep(probeMsMax, signal)
            .then(() => this.#note(host, found))
            .catch(() => {})
            .finally(() => late.delete(over))
          late.add(over)
        }
      }
      await clock.sleep(probeEveryMs, signal).catch(() => {})
    }
    await Promise.all(late)
  }

  #note(host: string, found: Pick<PeerSeen, 'reached' | 'sign'>): void {
    if (!this.#peers.probe.some(peer => peer.host === host)) return
    const before = this.#found.get(host)
    const at = this.#options.clock.monotonic()
    const inARow = before && at - before.at <= apartMsMax ? before : undefined
    const missedSince = found.reached ? undefined : inARow?.reached ? at : inARow?.missedSince
    this.#found.set(host, { ...found, at, ...(missedSince !== undefined && { missedSince }) })
    if (before?.reached !== found.reached || before.sign !== found.sign) this.#options.changed()
  }
}
