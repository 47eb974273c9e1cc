import type { OpenStore, Store, Write } from '../../controller/io/journal/store.ts'

/** Stores in memory, by folder; what is in one outlives whoever has it open. */
export class MemoryStores {
  readonly #folders = new Map<string, Map<string, Uint8Array>>()

  readonly open: OpenStore = async folder => {
    const pairs = this.#folders.get(folder) ?? new Map<string, Uint8Array>()
    this.#folders.set(folder, pairs)
    return storeOf(pairs)
  }
}

const storeOf = (pairs: Map<string, Uint8Array>): Store => ({
  write: async (writes: readonly Write[]) => {
    for (const write of writes) {
      if (write.op === 'put') pairs.set(write.key, write.bytes)
      else pairs.delete(write.key)
    }
  },
  read: async keys => keys.map(key => pairs.get(key)),
  async *range({ after, upTo }) {
    const keys = [...pairs.keys()].filter(key => key > after && key <= upTo).sort()
    if (keys.length > 0) yield keys.map(key => ({ key, bytes: pairs.get(key)! }))
  },
  [Symbol.asyncDispose]: async () => {}
})
