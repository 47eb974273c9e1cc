/**
 * The agent's eyes: asks libvirt for its domains and the storage for what it holds. A look never
 * takes longer than its deadline; while an earlier question still hangs, no other is sent after it,
 * and its late answer is thrown away: it may be older than what has been done since.
 */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { OrderPool } from '#shared/wire/order.ts'
import type { ObservedDomains, ObservedPool } from '../core/observed.ts'
import type { Domain, Hypervisor, HypervisorAbilities, StorageDriver } from '../core/ports.ts'

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

  /** All domains; those that were seen last, with why, when libvirt does not answer. */
  async domains(last: ObservedDomains, signal: AbortSignal): Promise<ObservedDomains> {
    const options = { deadlineMs: domainsMsMax, signal }
    try {
      const list: readonly Domain[] = await this.#questions.ask(
        'libvirt',
        () => this.#hypervisor.domains(),
        options
      )
      return { state: 'fresh', list }
    } catch (thrown) {
      signal.throwIfAborted()
      const because = `libvirt cannot be asked: ${sentence(thrown)}`
      return last.state === 'unknown'
        ? { state: 'unknown', because }
        : { state: 'old', list: last.list, because }
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
