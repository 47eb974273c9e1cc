/**
 * Storage whose hosts do not see each other's locks, as NFS mounted with nolock or a disk on a SAN.
 * On one kernel every folder tells of locks; so each host sees the lab's shared folder through a
 * FUSE of its own, which writes through and keeps locks to itself.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createResource } from '../cli/api/resources.ts'
import { folderOf } from '../lab/folder.ts'
import type { Lab } from '../lab/lab.ts'

/** Between two looks for hosts that have booted. Unit: ms. */
const lookMs = 200
/** What a host asks about a file is asked anew each time: others write to it as well. */
const uncached = 'attr_timeout=0,entry_timeout=0'

/** A pool on such storage; it is there again on each host that boots, until it is disposed of. */
export class BlindPool implements AsyncDisposable {
  readonly name = 'blind'
  readonly #lab: Lab
  readonly #path: string
  readonly #ended = new AbortController()
  /** Boots in which it is mounted. */
  readonly #mounted = new Set<string>()
  #keeping: Promise<void> = Promise.resolve()

  private constructor(lab: Lab) {
    this.#lab = lab
    this.#path = join(lab.folder, 'blind')
  }

  /** Makes it; locked, where its locks are held in a folder that tells of them. */
  static async make(lab: Lab, { isLocked }: { readonly isLocked: boolean }): Promise<BlindPool> {
    const pool = new BlindPool(lab)
    await mkdir(pool.#path, { recursive: true })
    await pool.#mountAll()
    const locks = isLocked ? { locks: 'virtlockd', lockFolder: folderOf(lab.folder).locks } : {}
    const spec = { path: pool.#path, shared: true, ...locks }
    await createResource(lab.api, { kind: 'pool', name: pool.name }, { spec })
    pool.#keeping = pool.#keep()
    return pool
  }

  async #mountAll(): Promise<void> {
    for (const { name, bootId, isPaused } of (await this.#lab.status()).hosts) {
      if (bootId === undefined || isPaused || this.#mounted.has(bootId)) continue
      const { shared } = folderOf(this.#lab.folder)
      const line = ['bindfs', '-o', uncached, shared, this.#path]
      const { code, stderr } = await this.#lab.run(name, line)
      if (code !== 0) throw new Error(`cannot mount the pool on ${name}: ${stderr}`)
      this.#mounted.add(bootId)
    }
  }

  async #keep(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      // A host may lose its power in the midst of it: then the next look finds another boot.
      await this.#mountAll().catch(() => {})
      await sleep(lookMs, undefined, { signal }).catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#keeping
  }
}
