/**
 * Sees to it that in mode full nobody else gives out addresses on the boot network.
 *
 * Before it begins, a boot service looks who answers, and does not begin beside anybody. Two that
 * get their power together, or that wait for the same third one, look at the same moment and find
 * nobody. Chance before the look parts most of them; those that it does not part both begin, look
 * again soon, and then the one with the higher address steps back.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import type { BootNetwork } from '../../core/boot-settings.ts'
import { type OtherServer, stepsBackFor } from '../../core/step-back.ts'
import { macOfNeighbour, probeDhcp } from './dhcp-probe.ts'

/** The longest pause before the first look, by chance. Unit: ms. */
const pauseMsMax: Ms = 3_000
/** So long after it has begun it looks again, and by chance so much later. Unit: ms. */
const [soonMs, soonMoreMsMax]: readonly [Ms, Ms] = [10_000, 5_000]
/** How often it looks from then on. Unit: ms. */
const everyMs: Ms = 60_000

type Foreign = BootReport['foreign'][number]

/** What it works with. */
export type OtherServersOptions = {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** Told whenever `foreign` says something else. */
  readonly onChanged: () => void
  /** Told why it cannot be looked before it begins, and when it can. */
  readonly onProblem: (problem: string | undefined) => void
  /** How it looks, and finds the MAC of an address; really when left out. */
  readonly probe?: typeof probeDhcp
  readonly macOf?: typeof macOfNeighbour
  /** From 0 up to 1; by chance when left out. */
  readonly random?: () => number
}

/** Knows the other DHCP servers. */
export class OtherServers {
  readonly #options: OtherServersOptions
  readonly #random: () => number
  /** Who answered last, and as it is reported. */
  #servers: readonly OtherServer[] = []
  #foreign: readonly Foreign[] = []
  #dueAt: Ms = 0

  constructor(options: OtherServersOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** Those that answered last. */
  get foreign(): readonly Foreign[] {
    return this.#foreign
  }

  /** Looks before it begins. Fault `conflict`: there is one, so nothing may begin. */
  async refuseBeside(network: BootNetwork): Promise<void> {
    const { clock, signal, onProblem } = this.#options
    await clock.sleep(this.#random() * pauseMsMax, signal).catch(() => undefined)
    if (signal.aborted) return
    try {
      await this.#look(network, 1)
      onProblem(undefined)
    } catch (thrown) {
      if (!isFault(thrown, 'network')) throw thrown
      // A client of this machine may hold the port; hosts shall boot all the same.
      onProblem(sentence(thrown))
    }
    if (signal.aborted) return
    // Where it cannot be looked, what was there last is believed to be there.
    const [first] = this.#servers
    if (first !== undefined) throw conflict(first)
  }

  /** It has begun: `lookAgain` looks soon. */
  begun(): void {
    this.#lookSoon()
  }

  /**
   * Looks where it is time for that. Fault `conflict`: another boot service goes on, and ours must
   * end. A stranger is only told: who has begun serves on.
   */
  async lookAgain(network: BootNetwork): Promise<void> {
    const { clock, log } = this.#options
    if (clock.monotonic() < this.#dueAt) return
    this.#dueAt = clock.monotonic() + everyMs
    try {
      await this.#look(network)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.warn('other DHCP servers are not looked for', { because: sentence(thrown) })
      return
    }
    const { address: own } = network.own
    const other = stepsBackFor(own, this.#servers)
    if (other !== undefined) {
      log.warn('another boot service has the lower address: this one steps back', { own, other })
      throw conflict({ address: other, isBootService: true }, own)
    }
    // The other one steps back, and shall not be told for longer than it is there.
    if (this.#servers.some(({ isBootService }) => isBootService)) this.#lookSoon()
  }

  #lookSoon(): void {
    this.#dueAt = this.#options.clock.monotonic() + soonMs + this.#random() * soonMoreMsMax
  }

  async #look(network: BootNetwork, enough?: number): Promise<void> {
    const { clock, log, signal, onChanged, probe = probeDhcp } = this.#options
    const { macOf = macOfNeighbour } = this.#options
    const servers = await probe({
      ...{ own: network.own.address, clock, signal },
      ...(enough !== undefined && { enough })
    })
    if (signal.aborted) return
    const before = new Map(this.#foreign.map(one => [one.address, one]))
    const after: Foreign[] = []
    for (const { address, isBootService } of servers) {
      const mac = await macOf(address)
      const since = before.get(address)?.since ?? new Date(clock.wall()).toISOString()
      after.push({ address, since, ...(mac !== undefined && { mac }) })
      if (before.has(address)) continue
      log.warn('another DHCP server answers', { address, mac, isBootService })
    }
    const isChanged = JSON.stringify(after) !== JSON.stringify(this.#foreign)
    this.#servers = servers
    this.#foreign = after
    if (isChanged) onChanged()
  }
}

/** Why we do not give out addresses; `own`: our address, where that is why. */
function conflict({ address, isBootService }: OtherServer, own?: string): Fault {
  const what = isBootService ? 'another boot service' : 'another DHCP server'
  const why = own === undefined ? '' : `, lower than ${own},`
  const next = isBootService
    ? `it is at ${address}${why} and this one waits until it is gone`
    : `it is at ${address}; use mode proxy beside it, or switch it off`
  return new Fault('conflict', `cannot give out addresses: ${what} does`, {
    cause: new Error(next)
  })
}
