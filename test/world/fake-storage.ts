/** Pools, volumes and images in memory, with what a test wants to happen to them. */
import { Fault } from '#shared/fault.ts'
import type { OrderImage, OrderPool, OrderVolume } from '#shared/wire/order.ts'
import type { StorageDriver, StoredPool, StoredVolume } from '../../agent/core/ports.ts'

type Method = keyof StorageDriver

export class FakeStorage implements StorageDriver {
  readonly stored = new Map<string, StoredVolume>()
  readonly kept = new Set<string>()
  readonly seeds = new Map<string, ReadonlyMap<string, string>>()
  readonly #shared: Map<string, StoredVolume>
  readonly #trees = new Map<string, ReadonlyMap<string, string>>()
  readonly #failures = new Map<Method, Fault[]>()
  readonly #blocks = new Map<Method, PromiseWithResolvers<void>>()
  readonly #calls: string[] = []
  /** Images that a volume is backed by, by the id of the volume. */
  readonly #backing = new Map<string, string>()

  /** Volumes of shared pools are where several hosts see them. */
  constructor(shared: Map<string, StoredVolume> = new Map()) {
    this.#shared = shared
  }

  /** What was asked of it so far: the method, and what it was about. */
  get calls(): readonly string[] {
    return this.#calls
  }

  /** The files that were put into a container's tree. */
  treeOf = (volumeId: string): ReadonlyMap<string, string> | undefined => this.#trees.get(volumeId)

  /** Lets the next call of a method fail; several wait in a row. */
  failNext(method: Method, fault: Fault): void {
    this.#failures.set(method, [...(this.#failures.get(method) ?? []), fault])
  }

  /** Lets calls of a method hang until they are released or aborted. */
  hold(method: Method): void {
    this.#blocks.set(method, Promise.withResolvers())
  }

  /** Whether any of them hang. */
  get isHeld(): boolean {
    return this.#blocks.size > 0
  }

  /** Lets those that hang go on. */
  release(method: Method): void {
    this.#blocks.get(method)?.resolve()
    this.#blocks.delete(method)
  }

  async openPool(pool: OrderPool): Promise<StoredPool> {
    await this.#begin('openPool', pool.name)
    const path = pool.path ?? `/state/pools/${pool.name}`
    return { name: pool.name, path, capacityMib: 100_000, freeMib: 90_000, failure: undefined }
  }

  async volumes(pool: OrderPool): Promise<readonly StoredVolume[]> {
    await this.#begin('volumes', pool.name)
    return [...this.#of(pool).values()].filter(volume => volume.pool === pool.name)
  }

  async createVolume(
    volume: OrderVolume,
    options: { readonly pool: OrderPool; readonly image: OrderImage | undefined },
    signal: AbortSignal
  ): Promise<StoredVolume> {
    await this.#begin('createVolume', volume.name, signal)
    const { image } = options
    const stored = this.#of(options.pool)
    const known = stored.get(volume.id)
    if (known === undefined && image !== undefined) {
      if (!this.kept.has(image.id)) {
        throw new Fault('not-found', `cannot create ${volume.name}: image ${image.id} is not here`)
      }
      this.#backing.set(volume.id, image.id)
    }
    const { id, pool, format, sizeMib } = volume
    const size = Math.max(sizeMib, known?.sizeMib ?? 0)
    const path = `/state/pools/${pool}/${id}.${format}`
    const made = { id, pool, format, path, sizeMib: size, usedMib: 1 }
    stored.set(id, made)
    return made
  }

  async removeVolume(volume: OrderVolume, pool: OrderPool): Promise<void> {
    await this.#begin('removeVolume', volume.name)
    this.#of(pool).delete(volume.id)
    this.#backing.delete(volume.id)
  }

  async images(): Promise<readonly string[]> {
    await this.#begin('images')
    return [...this.kept]
  }

  async fetchImage(image: OrderImage, signal: AbortSignal): Promise<void> {
    await this.#begin('fetchImage', image.name, signal)
    this.kept.add(image.id)
  }

  async keepOnlyImages(ids: readonly string[]): Promise<void> {
    await this.#begin('keepOnlyImages')
    const backing = new Set(this.#backing.values())
    for (const id of this.kept) if (!ids.includes(id) && !backing.has(id)) this.kept.delete(id)
  }

  async writeSeed(instanceId: string, files: ReadonlyMap<string, string>): Promise<string> {
    await this.#begin('writeSeed', instanceId)
    this.seeds.set(instanceId, files)
    return `/state/seeds/${instanceId}.iso`
  }

  async writeTreeFiles(volume: StoredVolume, files: ReadonlyMap<string, string>): Promise<void> {
    await this.#begin('writeTreeFiles', volume.id)
    this.#trees.set(volume.id, files)
  }

  async removeSeed(instanceId: string): Promise<void> {
    await this.#begin('removeSeed', instanceId)
    this.seeds.delete(instanceId)
  }

  #of(pool: OrderPool): Map<string, StoredVolume> {
    return pool.shared ? this.#shared : this.stored
  }

  async #begin(method: Method, about?: string, signal?: AbortSignal): Promise<void> {
    this.#calls.push(about === undefined ? method : `${method} ${about}`)
    const block = this.#blocks.get(method)
    if (block !== undefined) await Promise.race([block.promise, rejected(signal)])
    const fault = this.#failures.get(method)?.shift()
    if (fault !== undefined) throw fault
  }
}

/** Rejects once the signal aborts, as a driver that was told to give up. */
const rejected = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Fault('aborted', 'cannot go on: given up')))
  })
