/**
 * Storage in folders: volumes as files and trees below a pool's path, images and seeds below the
 * agent's state.
 *
 * A volume from a disk image is a thin file over the image's content, which stays and never
 * changes; a container's tree is copied from an archive that was unpacked once. Whatever is made
 * gets its name only when it is whole and on the disk, so a crash leaves nothing behind but
 * unfinished files, which the next start removes.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, realClock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import type { Mib, Ms } from '#shared/units.ts'
import type { OrderImage, OrderPool, OrderVolume } from '#shared/wire/order.ts'
import type { StorageDriver, StoredPool, StoredVolume } from '../../core/ports.ts'
import { Lanes } from '../lanes.ts'
import {
  attempt,
  discard,
  makeFolder,
  place,
  removeTree,
  temporaryIn,
  writeWhole
} from './files.ts'
import { ImageFolder } from './images.ts'
import { LockFolders, type LockService } from './lock-folders.ts'
import { growVolume, makeVolume, type Source } from './make-volume.ts'
import { PoolBook } from './pools.ts'
import { SeedFolder } from './seeds.ts'
import { writeTreeFile } from './tree-files.ts'
import { TreeFolder } from './trees.ts'
import {
  backingFiles,
  listVolumes,
  measureTree,
  readVolume,
  treeSizePath,
  volumePath
} from './volume-files.ts'

/** Where the storage is, and how patient it is with a server of images. */
export type DirectoryStorageOptions = {
  /** The agent's state folder. */
  readonly state: string
  readonly log: Log
  readonly clock?: Clock
  /** Whether the host's libvirt can lock volumes; it cannot when left out. */
  readonly lockService?: LockService
  /** How long a fetch may stand still. */
  readonly stallMsMax?: number
}

const stallMsMaxDefault = 30_000
const noLockService: LockService = async () => ({ fault: 'this host has no lock manager' })
/** How old the measure of a tree may be, which takes a look at each of its files. */
const measureAgeMsMax = 60_000
/** So many volumes are measured at the same time. */
const measuresMax = 16

/** Does one thing at a time for each volume, pool and seed; different ones go side by side. */
export class DirectoryStorage implements StorageDriver {
  readonly #mark: string
  readonly #log: Log
  readonly #clock: Clock
  readonly #images: ImageFolder
  readonly #trees: TreeFolder
  readonly #seeds: SeedFolder
  readonly #pools: PoolBook
  readonly #lanes = new Lanes()
  readonly #measures = new Map<string, { readonly at: Ms; readonly usedMib: Mib }>()
  /** Contents that volumes were made from since images were last tidied. */
  readonly #lately = new Set<string>()

  private constructor(options: DirectoryStorageOptions, mark: string) {
    const { state, log, clock = realClock, stallMsMax = stallMsMaxDefault } = options
    const at = (name: string) => join(state, 'agent', name)
    this.#mark = mark
    this.#log = log
    this.#clock = clock
    this.#images = new ImageFolder({ folder: at('images'), mark, stallMsMax, log })
    this.#trees = new TreeFolder(at('trees'), mark)
    this.#seeds = new SeedFolder(at('seeds'), mark)
    const service = options.lockService ?? noLockService
    const locks = new LockFolders({ service, book: at('locks-known'), mark })
    this.#pools = new PoolBook({ folder: at('pools'), book: at('pools-known'), mark, locks, log })
  }

  /** Opens the storage of an agent and removes what a crash left unfinished. Fault `storage`. */
  static async open(options: DirectoryStorageOptions): Promise<DirectoryStorage> {
    return attempt('open the storage', async () => {
      const folder = join(options.state, 'agent')
      await makeFolder(folder, 0o711)
      const storage = new DirectoryStorage(options, await readMark(join(folder, 'storage-mark')))
      await storage.#images.open()
      await storage.#trees.open()
      await storage.#seeds.open()
      await storage.#pools.open()
      return storage
    })
  }

  openPool(pool: OrderPool): Promise<StoredPool> {
    return this.#lanes.run(`pool ${pool.name}`, () => this.#pools.use(pool))
  }

  async volumes(pool: OrderPool): Promise<readonly StoredVolume[]> {
    return attempt(`list the volumes of pool ${pool.name}`, async () => {
      const folder = await this.#folderOf(pool)
      const named = await listVolumes(folder)
      const volumes: StoredVolume[] = []
      for (let from = 0; from < named.length; from += measuresMax) {
        const some = named.slice(from, from + measuresMax)
        const read = await Promise.all(
          some.map(each =>
            readVolume(folder, { ...each, pool: pool.name }, path => this.#recall(path))
          )
        )
        volumes.push(...read.filter(each => each !== undefined))
      }
      return volumes
    })
  }

  createVolume(
    volume: OrderVolume,
    options: { readonly pool: OrderPool; readonly image: OrderImage | undefined },
    signal: AbortSignal
  ): Promise<StoredVolume> {
    return this.#withVolume(volume, `create volume ${volume.name}`, async () => {
      const folder = await this.#folderOf(options.pool)
      const present = await this.#read(folder, volume, options.pool)
      if (!present) await this.#make(volume, { ...options, folder, signal })
      else if (present.sizeMib < volume.sizeMib) {
        if (volume.format === 'tree') await this.#noteTreeSize(folder, volume)
        else await growVolume(volume, present.path, signal)
      } else return present
      const made = await this.#read(folder, volume, options.pool)
      if (made) return made
      throw new Fault('storage', `cannot create volume ${volume.name}: it vanished`)
    })
  }

  removeVolume(volume: OrderVolume, pool: OrderPool): Promise<void> {
    return this.#withVolume(volume, `remove volume ${volume.name}`, async () => {
      const folder = await this.#folderOf(pool)
      const path = volumePath(folder, volume)
      await discard(path, this.#mark)
      this.#measures.delete(path)
      if (volume.format === 'tree') await fs.rm(treeSizePath(folder, volume.id), { force: true })
    })
  }

  images(): Promise<readonly string[]> {
    return attempt('list the images', () => this.#images.list())
  }

  fetchImage(image: OrderImage, signal: AbortSignal): Promise<void> {
    return attempt(`fetch image ${image.name}`, () => this.#images.fetch(image, signal))
  }

  keepOnlyImages(ids: readonly string[]): Promise<void> {
    return this.#lanes.run('tidy images', () =>
      attempt('tidy the images', async () => {
        this.#lately.clear()
        const backing = await backingFiles(await this.#pools.allVolumeFolders())
        const isInUse = (path: string) => backing.has(path) || this.#lately.has(path)
        await this.#images.keepOnly(ids, isInUse)
        await this.#trees.keepOnly(await this.#images.archives())
      })
    )
  }

  writeSeed(instanceId: string, files: ReadonlyMap<string, string>): Promise<string> {
    return this.#lanes.run(`seed ${instanceId}`, () =>
      attempt(`write the seed of ${instanceId}`, () => this.#seeds.write(instanceId, files))
    )
  }

  writeTreeFiles(volume: StoredVolume, files: ReadonlyMap<string, string>): Promise<void> {
    return this.#withVolume(volume, `write files into volume ${volume.id}`, async () => {
      for (const [path, content] of files) await writeTreeFile(volume.path, path, content)
    })
  }

  removeSeed(instanceId: string): Promise<void> {
    return this.#lanes.run(`seed ${instanceId}`, () =>
      attempt(`remove the seed of ${instanceId}`, () => this.#seeds.remove(instanceId))
    )
  }

  #withVolume<Result>(
    { id }: { readonly id: string },
    what: string,
    work: () => Promise<Result>
  ): Promise<Result> {
    return this.#lanes.run(`volume ${id}`, () => attempt(what, work))
  }

  /** Where the volumes of a pool are. Fault `unavailable` when it cannot be used. */
  async #folderOf(pool: OrderPool): Promise<string> {
    const { failure } = await this.openPool(pool)
    if (failure !== undefined) throw new Fault('unavailable', failure)
    return this.#pools.volumesOf(pool)
  }

  async #make(
    volume: OrderVolume,
    how: {
      readonly folder: string
      readonly pool: OrderPool
      readonly image: OrderImage | undefined
      readonly signal: AbortSignal
    }
  ): Promise<void> {
    const { folder, pool, image, signal } = how
    const path = temporaryIn(folder, this.#mark)
    try {
      const source = image && (await this.#sourceOf(image, { pool, volume, signal }))
      if (volume.format === 'tree') await this.#noteTreeSize(folder, volume)
      await makeVolume({ volume, source, path, trees: this.#trees, signal })
      await place(path, volumePath(folder, volume))
    } catch (thrown) {
      await removeTree(path)
      throw thrown
    }
  }

  /** Where a volume's image is; for a volume that all hosts see, in their pool too. */
  async #sourceOf(
    image: OrderImage,
    how: { readonly pool: OrderPool; readonly volume: OrderVolume; readonly signal: AbortSignal }
  ): Promise<Source> {
    this.#lately.add(this.#images.pathOf(image))
    const path = await this.#images.find(image)
    if (!how.pool.shared || how.volume.format !== 'qcow2') return { image, path }
    const folder = join(this.#pools.pathOf(how.pool), 'images')
    return { image, path: await this.#images.copyTo(folder, image, how.signal) }
  }

  async #noteTreeSize(folder: string, volume: OrderVolume): Promise<void> {
    const options = { mark: this.#mark, mode: 0o600 }
    await writeWhole(treeSizePath(folder, volume.id), `${volume.sizeMib}\n`, options)
  }

  #read(
    folder: string,
    volume: Pick<OrderVolume, 'id' | 'format'>,
    pool: OrderPool
  ): Promise<StoredVolume | undefined> {
    const { id, format } = volume
    return readVolume(folder, { id, format, pool: pool.name }, path => this.#measure(path))
  }

  /** Measures a tree. */
  async #measure(path: string): Promise<Mib> {
    const usedMib = await measureTree(path)
    this.#measures.set(path, { at: this.#clock.monotonic(), usedMib })
    return usedMib
  }

  /** Says what a tree measured last, and has it measured again, one at a time, if that is old. */
  async #recall(path: string): Promise<Mib> {
    const known = this.#measures.get(path)
    const isOld = !known || this.#clock.monotonic() - known.at >= measureAgeMsMax
    if (isOld && !this.#lanes.isBusy(`measure ${path}`)) {
      const measuring = this.#lanes.run(`measure ${path}`, () =>
        this.#lanes.run('measures', () => this.#measure(path))
      )
      measuring.catch(thrown =>
        this.#log.warn('cannot measure a volume', { path, because: sentence(thrown) })
      )
    }
    return known?.usedMib ?? (0 as Mib)
  }
}

/** What tells this host's unfinished files in a shared pool from those of others. */
async function readMark(path: string): Promise<string> {
  try {
    return (await fs.readFile(path, 'utf8')).trim()
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT') throw thrown
  }
  const mark = randomBytes(6).toString('hex')
  await writeWhole(path, `${mark}\n`, { mark, mode: 0o600 })
  return mark
}
