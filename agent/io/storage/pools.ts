/**
 * Opens pools: folders, often mount points.
 *
 * A mount point with nothing mounted looks like an empty pool, and an empty pool like lost volumes.
 * So each pool gets a marker when it is first opened, and the agent remembers it. Where the marker
 * is missing later, or is another one, the pool is not what it was, and is not used.
 */
import { randomUUID } from 'node:crypto'
import fs from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { codeOf, exists } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import type { Mib } from '#shared/units.ts'
import type { OrderPool } from '#shared/wire/order.ts'
import type { StoredPool } from '../../core/ports.ts'
import { makeFolder, pathIn, removeLeftovers, writeWhole } from './files.ts'
import { roomOf } from './room.ts'

/** `mark` tells this host's unfinished files in a pool that others share. */
export type PoolBookOptions = {
  /** Where pools without a path of their own are. */
  readonly folder: string
  /** Where is remembered which pools were opened. */
  readonly book: string
  readonly mark: string
  readonly log: Log
}

/** A pool as it was first opened. */
type Known = { readonly path: string; readonly marker: string }

const markerName = '.remuda-pool'

/** Remembers by their markers which pools were opened; a pool may be used while it is the same. */
export class PoolBook {
  readonly #options: PoolBookOptions
  /** Pools that this run has tidied already, by path. */
  readonly #tidied = new Set<string>()

  constructor(options: PoolBookOptions) {
    this.#options = options
  }

  /** Makes the folders. */
  async open(): Promise<void> {
    await makeFolder(this.#options.folder, 0o711)
    await makeFolder(this.#options.book, 0o700)
    await removeLeftovers(this.#options.book)
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
      return { name: pool.name, path, ...(await roomOf(path)), failure: undefined }
    } catch (thrown) {
      const none = 0 as Mib
      return { name: pool.name, path, capacityMib: none, freeMib: none, failure: sentence(thrown) }
    }
  }

  /** Folders of volumes of all pools that were ever opened; each must still be what it was. */
  async allVolumeFolders(): Promise<readonly string[]> {
    const folders = []
    for (const name of await fs.readdir(this.#options.book)) {
      if (name.startsWith('.')) continue
      const known = await this.#recall(name)
      if (!known) continue
      if ((await readMarker(known.path)) !== known.marker) {
        const message = `cannot see which images pool ${name} needs: ${known.path} is not there now`
        throw new Fault('unavailable', message)
      }
      folders.push(join(known.path, 'volumes'))
    }
    return folders
  }

  async #prepare(pool: OrderPool, path: string): Promise<void> {
    const known = await this.#recall(pool.name)
    const marker = await readMarker(path)
    if (known?.path === path && known.marker !== marker) {
      const kept = pathIn(this.#options.book, pool.name)
      throw new Fault(
        'unavailable',
        `cannot use pool ${pool.name}: ${path} is not what it was when it was first opened; ` +
          `is it mounted? If it was emptied on purpose, remove ${kept}`
      )
    }
    if (marker === undefined) await this.#found(pool, path)
    else if (known?.path !== path) await this.#remember(pool.name, { path, marker })
    if (!this.#tidied.has(path)) await this.#tidy(pool, path)
  }

  /** The first time: only a pool of this host alone may be made where there is nothing. */
  async #found(pool: OrderPool, path: string): Promise<void> {
    if (!pool.shared && !(await exists(path))) await makeFolder(path, 0o711)
    const marker = randomUUID()
    // Several hosts may begin at once: whoever comes second finds a whole marker, and keeps to it.
    const own = join(path, `${markerName}.${marker}`)
    try {
      await fs.writeFile(own, `${marker}\n`, { flag: 'wx', mode: 0o644 })
      await fs.link(own, join(path, markerName))
    } catch (thrown) {
      if (codeOf(thrown) !== 'EEXIST') throw thrown
    } finally {
      await fs.rm(own, { force: true })
    }
    await this.#remember(pool.name, { path, marker: (await readMarker(path)) ?? marker })
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

  async #remember(name: string, known: Known): Promise<void> {
    const { mark, book } = this.#options
    await writeWhole(pathIn(book, name), `${JSON.stringify(known)}\n`, { mark, mode: 0o600 })
  }

  async #recall(name: string): Promise<Known | undefined> {
    try {
      return JSON.parse(await fs.readFile(pathIn(this.#options.book, name), 'utf8')) as Known
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }
}

async function readMarker(path: string): Promise<string | undefined> {
  try {
    return (await fs.readFile(join(path, markerName), 'utf8')).trim()
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}
