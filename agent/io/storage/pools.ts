/**
 * Opens pools: folders, often mount points.
 *
 * A mount point with nothing mounted looks like an empty pool, and an empty pool like lost volumes.
 * So each pool gets a marker when it is first opened (see markers.ts), and one that is not what it
 * was is not used. Nor is one whose volumes cannot be locked though that is wished.
 */
import fs from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import type { Mib } from '#shared/units.ts'
import type { OrderPool } from '#shared/wire/order.ts'
import type { StoredPool } from '../../core/ports.ts'
import { makeFolder, pathIn, removeLeftovers } from './files.ts'
import type { LockFolders } from './lock-folders.ts'
import { MarkerBook } from './markers.ts'
import { roomOf } from './room.ts'

/** `mark` tells this host's unfinished files in a pool that others share. */
export type PoolBookOptions = {
  /** Where pools without a path of their own are. */
  readonly folder: string
  /** Where is remembered which pools were opened. */
  readonly book: string
  readonly mark: string
  readonly locks: LockFolders
  readonly log: Log
}

/** Remembers by their markers which pools were opened; a pool may be used while it is the same. */
export class PoolBook {
  readonly #options: PoolBookOptions
  readonly #known: MarkerBook
  /** Pools that this run has tidied already, by path. */
  readonly #tidied = new Set<string>()

  constructor(options: PoolBookOptions) {
    this.#options = options
    this.#known = new MarkerBook({ ...options, markerName: '.remuda-pool' })
  }

  /** Makes the folders. */
  async open(): Promise<void> {
    await makeFolder(this.#options.folder, 0o711)
    await this.#known.open()
    await this.#options.locks.open()
  }

  /** Where a pool is. */
  pathOf(pool: OrderPool): string {
    if (pool.path === undefined) return pathIn(this.#options.folder, pool.name)
    const path = pool.path.replace(/\/$/, '')
    if (path.startsWith('/') && normalize(path) === path) return path
    const message = `cannot use pool ${pool.name}: "${pool.path}" is no plain absolute path`
    throw new Fault('storage', message)
  }

  /** Where the volumes of a pool are. */
  volumesOf(pool: OrderPool): string {
    return join(this.pathOf(pool), 'volumes')
  }

  /** Makes a pool usable and measures it; never fails, but says why it cannot be used. */
  async use(pool: OrderPool): Promise<StoredPool> {
    let path = pool.path ?? ''
    try {
      path = this.pathOf(pool)
      await this.#prepare(pool, path)
      await this.#options.locks.check(pool, path)
      return { name: pool.name, path, ...(await roomOf(path)), failure: undefined }
    } catch (thrown) {
      const none = 0 as Mib
      return { name: pool.name, path, capacityMib: none, freeMib: none, failure: sentence(thrown) }
    }
  }

  /** Folders of volumes of all pools that were ever opened; each must still be what it was. */
  async allVolumeFolders(): Promise<readonly string[]> {
    const folders = []
    for (const { name, path, isThere } of await this.#known.all()) {
      if (!isThere) {
        const message = `cannot see which images pool ${name} needs: ${path} is not there now`
        throw new Fault('unavailable', message)
      }
      folders.push(join(path, 'volumes'))
    }
    return folders
  }

  async #prepare(pool: OrderPool, path: string): Promise<void> {
    const seen = await this.#known.look(pool.name, path)
    if (seen.state === 'changed') {
      throw new Fault(
        'unavailable',
        `cannot use pool ${pool.name}: ${path} is not what it was when it was first opened; ` +
          `is it mounted? If it was emptied on purpose, remove ${seen.keptAt}`
      )
    }
    if (seen.state === 'new') {
      // Only a pool of this host alone may be made where there is nothing.
      if (!pool.shared && !(await exists(path))) await makeFolder(path, 0o711)
      await this.#known.found(pool.name, path)
    }
    if (!this.#tidied.has(path)) await this.#tidy(pool, path)
  }

  /** What others leave unfinished in a shared pool is theirs. */
  async #tidy(pool: OrderPool, path: string): Promise<void> {
    const { mark, log } = this.#options
    for (const name of ['volumes', 'images']) {
      const folder = join(path, name)
      await makeFolder(folder, 0o711)
      await removeLeftovers(folder, pool.shared ? mark : undefined)
    }
    this.#tidied.add(path)
    for (let folder = path; folder !== '/'; folder = dirname(folder)) {
      const { mode } = await fs.stat(folder)
      if ((mode & 0o001) !== 0) continue
      log.warn('pool may be out of reach for qemu, which does not run as root', {
        pool: pool.name,
        because: `${folder} has mode 0${(mode & 0o777).toString(8)}`,
        next: `chmod o+x ${folder}`
      })
    }
  }
}
