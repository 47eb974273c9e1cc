import { Fault } from '#shared/fault.ts'
import type { OpenStore, Store, Write } from '../../controller/io/journal/store.ts'

/**
 * What becomes of the next write: `refused` is not made at all, `unknown` is made and reported as a
 * failure, `hanging` is made but never answered.
 */
export type WriteFate = 'refused' | 'unknown' | 'hanging'

/** Fails the writes of the stores that it opens, on command, as a full or dying disk would. */
export class FaultyStores {
  readonly #openReal: OpenStore
  #fate: WriteFate | undefined
  #isFull = false
  #writes: readonly Write[][] = []

  constructor(openReal: OpenStore) {
    this.#openReal = openReal
  }

  /** Every write that reached a store, oldest first. */
  get writes(): readonly (readonly Write[])[] {
    return this.#writes
  }

  /** The next write meets this fate; after it the disk refuses all until `heal`. */
  failNext(fate: WriteFate): void {
    this.#fate = fate
  }

  heal(): void {
    this.#fate = undefined
    this.#isFull = false
  }

  readonly open: OpenStore = async (folder, options) => {
    if (this.#isFull) throw new Fault('unavailable', 'cannot open: no space left on device')
    const real = await this.#openReal(folder, options)
    const write = (writes: readonly Write[]) => this.#write(real, writes)
    return {
      write,
      read: keys => real.read(keys),
      range: keys => real.range(keys),
      [Symbol.asyncDispose]: () => real[Symbol.asyncDispose]()
    } satisfies Store
  }

  async #write(real: Store, writes: readonly Write[]): Promise<void> {
    const fate = this.#fate
    this.#fate = undefined
    if (fate !== undefined) this.#isFull = true
    else if (this.#isFull) throw noSpace()
    if (fate === 'refused') throw noSpace()
    this.#writes = [...this.#writes, [...writes]]
    await real.write(writes)
    if (fate === 'unknown') throw new Fault('unavailable', 'cannot sync: input/output error')
    if (fate === 'hanging') await new Promise<never>(() => {})
  }
}

const noSpace = (): Fault => new Fault('unavailable', 'cannot write: no space left on device')
