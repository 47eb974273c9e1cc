/** Other DHCP servers on the boot network, beside which no addresses are to be given out. */
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import type { BootNetwork } from '../../core/boot-settings.ts'
import { macOfNeighbour, probeDhcp } from './dhcp-probe.ts'

type Foreign = BootReport['foreign'][number]

/** What it works with. */
export type ForeignServersOptions = {
  readonly clock: Clock
  readonly log: Log
  /** Once it aborts, nobody is looked for any more. */
  readonly signal: AbortSignal
  readonly onChanged: () => void
  /** Told why they cannot be looked for before we begin, and when they can. */
  readonly onProblem: (problem: string | undefined) => void
}

/** Looks for them, and remembers since when each answers. */
export class ForeignServers {
  readonly #options: ForeignServersOptions
  #found: readonly Foreign[] = []

  constructor(options: ForeignServersOptions) {
    this.#options = options
  }

  /** Those that answered when it was looked last. */
  get found(): readonly Foreign[] {
    return this.#found
  }

  /** In mode full there may be no other server. Fault `conflict`: there is one. */
  async refuse(network: BootNetwork): Promise<void> {
    const { onProblem } = this.#options
    try {
      await this.#probe(network, 1)
      onProblem(undefined)
    } catch (thrown) {
      if (!isFault(thrown, 'network')) throw thrown
      // A client of this machine may hold the port; hosts shall boot all the same.
      onProblem(sentence(thrown))
    }
    const [first] = this.#found
    if (first === undefined) return
    throw new Fault('conflict', 'cannot give out addresses: another DHCP server does', {
      cause: new Error(`it is at ${first.address}; use mode proxy beside it, or switch it off`)
    })
  }

  /** Looks once while we serve. */
  async look(network: BootNetwork): Promise<void> {
    try {
      await this.#probe(network)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const because = sentence(thrown)
      this.#options.log.warn('other DHCP servers are not looked for', { because })
    }
  }

  async #probe(network: BootNetwork, enough?: number): Promise<void> {
    const { clock, log, signal, onChanged } = this.#options
    const servers = await probeDhcp({
      ...{ own: network.own.address, clock, signal },
      ...(enough !== undefined && { enough })
    })
    if (signal.aborted) return
    const before = new Map(this.#found.map(one => [one.address, one]))
    const after: Foreign[] = []
    for (const address of servers) {
      const mac = await macOfNeighbour(address)
      const since = before.get(address)?.since ?? new Date(clock.wall()).toISOString()
      after.push({ address, since, ...(mac !== undefined && { mac }) })
      if (!before.has(address)) log.warn('another DHCP server answers', { address, mac })
    }
    const isChanged = JSON.stringify(after) !== JSON.stringify(this.#found)
    this.#found = after
    if (isChanged) onChanged()
  }
}
