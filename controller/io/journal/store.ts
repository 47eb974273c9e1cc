/**
 * What the journal needs of whatever keeps its bytes. LevelDB is behind it; tests put a store
 * before LevelDB's that fails on command.
 */

/** One change of a store. */
export type Write =
  | { readonly op: 'put'; readonly key: string; readonly bytes: Uint8Array }
  | { readonly op: 'remove'; readonly key: string }

/** A key with the bytes that were last put under it. */
export type StoredPair = { readonly key: string; readonly bytes: Uint8Array }

/**
 * Keeps bytes by key, keys in the order of their UTF-8. Codes: `storage` (its files are damaged),
 * `closed`, `unavailable` (all else, with the cause).
 */
export interface Store extends AsyncDisposable {
  /**
   * Makes all these changes or none; resolves once they would survive a power cut. After a failure
   * it is unknown whether they were made, and the store takes nothing more until it is reopened.
   */
  write(writes: readonly Write[]): Promise<void>
  read(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>
  /** Pages of pairs with after < key <= upTo, as they were at the call. */
  range(keys: {
    readonly after: string
    readonly upTo: string
  }): AsyncIterable<readonly StoredPair[]>
}

/** Opens a store in a folder; `create` says whether there may be none yet. */
export type OpenStore = (folder: string, options: { readonly create: boolean }) => Promise<Store>
