/**
 * The agent's eyes: asks libvirt for its domains and the storage for what it holds. A look never
 * takes longer than its deadline; while an earlier question still hangs, no other is sent after it,
 * and its late answer is thrown away: it may be older than what has been done since.
 */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import type { Order, OrderPool } from '#shared/wire/order.ts'
import type { Observed, ObservedDomains, ObservedPool } from '../core/observed.ts'
import { isHeld } from '../core/own-domains.ts'
import type {
  Arrival,
  Domain,
  Hypervisor,
  HypervisorAbilities,
  StorageDriver,
  Transfer
} from '../core/ports.ts'

/** How long libvirt may take to name its domains before the agent goes on without. Unit: ms. */
export const domainsMsMax: Ms = 2_000
/** How long libvirt may take to examine its emulators. Unit: ms. */
const abilitiesMsMax: Ms = 60_000
/** How long one part of the storage may take to say what it holds. Unit: ms. */
const storageMsMax: Ms = 20_000

/** Asks one question at a time, each within a deadline. */
class Questions {
  readonly #clock: Clock
  readonly #hanging = new Map<string, Promise<unknown>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async ask<Answer>(
    what: string,
    question: () => Promise<Answer>,
    { deadlineMs, signal }: { readonly deadlineMs: Ms; readonly signal: AbortSignal }
  ): Promise<Answer> {
    const late = `${what} has not answered for ${deadlineMs} ms`
    const options = { clock: this.#clock, deadlineMs, signal, late }
    const earlier = this.#hanging.get(what)
    if (earlier !== undefined) await within(earlier, options)
    const answer = question()
    const over = answer
      .catch(() => {})
      .then(() => void (this.#hanging.get(what) === over && this.#hanging.delete(what)))
    this.#hanging.set(what, over)
    return await within(answer, options)
  }
}

/** What was found in the storage, as a whole. */
export type StorageFindings = {
  readonly pools: readonly ObservedPool[]
  readonly images: readonly string[] | undefined
  readonly remains: readonly string[]
}

/** What was found of libvirt's domains. */
export type DomainFindings = Pick<Observed, 'domains' | 'transfers' | 'arrivals'>

/** Looks when it is told to, and keeps nothing. */
export class Eyes {
  readonly #hypervisor: Hypervisor
  readonly #storage: StorageDriver
  readonly #findRemains: () => Promise<readonly string[]>
  readonly #questions: Questions

  constructor(given: {
    readonly hypervisor: Hypervisor
    readonly storage: StorageDriver
    readonly findRemains: () => Promise<readonly string[]>
    readonly clock: Clock
  }) {
    this.#hypervisor = given.hypervisor
    this.#storage = given.storage
    this.#findRemains = given.findRemains
    this.#questions = new Questions(given.clock)
  }

  /**
   * All domains; those that were seen last, with why, when libvirt does not answer. Of those that
   * are on their way it is asked how far they are; what cannot be said of one is not known of any.
   */
  async domains(
    last: DomainFindings,
    order: Order | undefined,
    signal: AbortSignal
  ): Promise<DomainFindings> {
    const options = { deadlineMs: domainsMsMax, signal }
    const { transfers, arrivals } = last
    const moving = order?.instances.filter(each => each.leaving ?? each.arriving) ?? []
    const onTheirWay = new Set(moving.map(({ id }) => uuidOf(id)))
    try {
      return await this.#questions.ask('libvirt', () => this.#findDomains(onTheirWay), options)
    } catch (thrown) {
      signal.throwIfAborted()
      const because = `libvirt cannot be asked: ${sentence(thrown)}`
      const domains: ObservedDomains =
        last.domains.state === 'unknown'
          ? { state: 'unknown', because }
          : { state: 'old', list: last.domains.list, because }
      return { domains, transfers, arrivals }
    }
  }

  async #findDomains(onTheirWay: ReadonlySet<string>): Promise<DomainFindings> {
    const list: Domain[] = []
    const transfers = new Map<string, Transfer>()
    const arrivals = new Map<string, Arrival>()
    for (const domain of await this.#hypervisor.domains()) {
      const asks = domain.driver === 'qemu' && (onTheirWay.has(domain.uuid) || isHeld(domain))
      if (!asks || (await this.#lookAtWay(domain, { transfers, arrivals }))) list.push(domain)
    }
    return { domains: { state: 'fresh', list }, transfers, arrivals }
  }

  /** Says whether the domain is still there. */
  async #lookAtWay(
    domain: Domain,
    found: { readonly transfers: Map<string, Transfer>; readonly arrivals: Map<string, Arrival> }
  ): Promise<boolean> {
    try {
      const transfer = await this.#hypervisor.transfer(domain)
      if (transfer !== undefined) found.transfers.set(domain.uuid, transfer)
      const arrival = await this.#hypervisor.arrival(domain)
      if (arrival !== undefined) found.arrivals.set(domain.uuid, arrival)
      return true
    } catch (thrown) {
      if (isFault(thrown, 'not-found')) return false
      throw thrown
    }
  }

  /** What libvirt can do; undefined when it does not say. */
  async abilities(signal: AbortSignal): Promise<HypervisorAbilities | undefined> {
    const options = { deadlineMs: abilitiesMsMax, signal }
    try {
      return await this.#questions.ask('abilities', () => this.#hypervisor.abilities(), options)
    } catch {
      return undefined
    }
  }

  /** What pools that are open hold, and which images are here; a pool that fails says why. */
  async storage(
    pools: readonly OrderPool[],
    last: StorageFindings,
    signal: AbortSignal
  ): Promise<StorageFindings> {
    const [images, remains, ...found] = await Promise.all([
      this.#images(last, signal),
      this.#remains(last, signal),
      ...pools.map(pool =>
        this.#pool(pool, last.pools.find(({ name }) => name === pool.name)!, signal)
      )
    ])
    return { pools: found, images, remains }
  }

  async #images(last: StorageFindings, signal: AbortSignal): Promise<StorageFindings['images']> {
    const options = { deadlineMs: storageMsMax, signal }
    try {
      return await this.#questions.ask('images', () => this.#storage.images(), options)
    } catch {
      signal.throwIfAborted()
      return last.images
    }
  }

  async #remains(last: StorageFindings, signal: AbortSignal): Promise<readonly string[]> {
    const options = { deadlineMs: storageMsMax, signal }
    try {
      return await this.#questions.ask('remains', () => this.#findRemains(), options)
    } catch {
      signal.throwIfAborted()
      return last.remains
    }
  }

  async #pool(pool: OrderPool, last: ObservedPool, signal: AbortSignal): Promise<ObservedPool> {
    const options = { deadlineMs: storageMsMax, signal }
    const question = async (): Promise<ObservedPool> => {
      const open = await this.#storage.openPool(pool)
      const volumes = open.failure === undefined ? await this.#storage.volumes(pool) : last.volumes
      return { ...open, volumes }
    }
    try {
      return await this.#questions.ask(`pool ${pool.name}`, question, options)
    } catch (thrown) {
      signal.throwIfAborted()
      return { ...last, failure: `pool ${pool.name} cannot be used: ${sentence(thrown)}` }
    }
  }
}
