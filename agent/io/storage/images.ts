/**
 * Keeps images: each content once, under its hash, and a record for each image id that it serves.
 *
 * A record is written when the content is there and verified, so what is recorded is whole.
 * Contents never change; volumes are backed by them in place.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import { qcow2HeaderBytes, qcow2Refusal } from '../../core/qcow2-header.ts'
import { download } from './download.ts'
import {
  makeFolder,
  pathIn,
  place,
  removeLeftovers,
  removeTree,
  temporaryIn,
  writeWhole
} from './files.ts'
import { needRoom } from './room.ts'
import { SharedWork } from './shared-work.ts'

/** `mark` tells this host's unfinished files; a fetch that stands still is given up. */
export type ImageFolderOptions = {
  readonly folder: string
  readonly mark: string
  readonly stallMsMax: number
  readonly log: Log
}

/** How long the copying of a content into a pool may take. */
const copyMsMax = 60 * 60_000

type Content = Pick<OrderImage, 'sha256' | 'format' | 'sizeBytes'>

/** Fetches each content once, however many ask for it at the same time. */
export class ImageFolder {
  readonly #options: ImageFolderOptions
  readonly #records: string
  readonly #fetches = new SharedWork()

  constructor(options: ImageFolderOptions) {
    this.#options = options
    this.#records = join(options.folder, 'ids')
  }

  /** Makes the folders and removes what was left unfinished. */
  async open(): Promise<void> {
    await makeFolder(this.#options.folder, 0o711)
    await makeFolder(this.#records, 0o700)
    await removeLeftovers(this.#options.folder)
    await removeLeftovers(this.#records)
  }

  /** Ids of the images whose content is here in full. */
  async list(): Promise<readonly string[]> {
    const records = await this.#readRecords()
    const here = await Promise.all(records.map(({ content }) => this.#isWhole(content)))
    return records.filter((_, index) => here[index]).map(({ id }) => id)
  }

  /** Where the content of an image is. Fault `not-found`: it is not here. */
  async find(image: OrderImage): Promise<string> {
    if (await this.#isWhole(image)) return this.pathOf(image)
    throw new Fault('not-found', `cannot use image ${image.name}: it is not on this host`)
  }

  /** Fetches an image unless it is here; those who ask at the same time wait for one fetch. */
  async fetch(image: OrderImage, signal: AbortSignal): Promise<void> {
    const recorded = (await this.#readRecords()).find(({ id }) => id === image.id)
    const same = recorded !== undefined && this.pathOf(recorded.content) === this.pathOf(image)
    if (same && (await this.#isWhole(image))) return
    await this.#fetches.join(this.pathOf(image), signal, end => this.#bring(image, end))
    const { sha256, format, sizeBytes } = image
    const content: Content = { sha256, format, sizeBytes }
    const path = pathIn(this.#records, image.id)
    await writeWhole(path, `${JSON.stringify(content)}\n`, {
      mark: this.#options.mark,
      mode: 0o600
    })
  }

  /** Removes the records that are not wanted, then the contents that nobody needs. */
  async keepOnly(ids: readonly string[], isInUse: (path: string) => boolean): Promise<void> {
    const needed = new Set<string>()
    for (const { id, content } of await this.#readRecords()) {
      const path = this.pathOf(content)
      if (ids.includes(id) || isInUse(path)) needed.add(path)
      else await fs.rm(pathIn(this.#records, id), { force: true })
    }
    for (const entry of await fs.readdir(this.#options.folder)) {
      const path = join(this.#options.folder, entry)
      const isContent = /^[0-9a-f]{64}\.(qcow2|raw|tar)$/.test(entry)
      if (!isContent || needed.has(path) || isInUse(path) || this.#fetches.isBusy(path)) continue
      await removeTree(path)
      this.#options.log.info('image content removed', {
        path,
        because: 'no image or volume uses it'
      })
    }
  }

  /** Hashes of all archives that are here. */
  async archives(): Promise<ReadonlySet<string>> {
    const entries = await fs.readdir(this.#options.folder)
    return new Set(entries.flatMap(entry => /^([0-9a-f]{64})\.tar$/.exec(entry)?.[1] ?? []))
  }

  /** Copies a content that is here into a pool's own folder of images, once, and says where. */
  async copyTo(folder: string, image: OrderImage, signal: AbortSignal): Promise<string> {
    const path = pathIn(folder, image.sha256, `.${image.format}`)
    const present = await fs.stat(path).catch(() => undefined)
    if (present?.size === image.sizeBytes) return path
    await needRoom(folder, image.sizeBytes)
    const temporary = temporaryIn(folder, this.#options.mark)
    try {
      const args = ['--reflink=auto', '--preserve=mode', '--', this.pathOf(image), temporary]
      await run('cp', args, { deadlineMs: copyMsMax, signal })
      await syncFile(temporary)
      await place(temporary, path)
      return path
    } catch (thrown) {
      await removeTree(temporary)
      throw thrown
    }
  }

  /** Where the content of an image is, or would be. */
  pathOf({ sha256, format }: Content): string {
    return pathIn(this.#options.folder, sha256, `.${format}`)
  }

  /** Sees to it that a verified content is in its place. */
  async #bring(image: OrderImage, signal: AbortSignal): Promise<void> {
    const { folder, mark, stallMsMax, log } = this.#options
    const path = this.pathOf(image)
    if (await this.#verifies(image, signal)) return
    await needRoom(folder, image.sizeBytes)
    const temporary = temporaryIn(folder, mark)
    try {
      const startedAt = performance.now()
      await download({ ...image, path: temporary, stallMsMax, log }, signal)
      await refuseHostile(image, temporary)
      await fs.chmod(temporary, image.format === 'tar' ? 0o600 : 0o644)
      await place(temporary, path)
      const durationMs = Math.round(performance.now() - startedAt)
      log.info('image fetched', { image: image.name, bytes: image.sizeBytes, durationMs })
    } catch (thrown) {
      await removeTree(temporary)
      throw thrown
    }
  }

  /** Says whether the content is here and has its hash; removes it when it has not. */
  async #verifies(image: OrderImage, signal: AbortSignal): Promise<boolean> {
    const path = this.pathOf(image)
    if (await this.#isWhole(image)) {
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(path, { signal })) hash.update(chunk)
      if (hash.digest('hex') === image.sha256) return true
    }
    if (await fs.stat(path).catch(() => undefined)) {
      this.#options.log.warn('image content is damaged: it is fetched again', { path })
      await removeTree(path)
    }
    return false
  }

  async #isWhole(content: Content): Promise<boolean> {
    const stat = await fs.stat(this.pathOf(content)).catch(() => undefined)
    return stat?.isFile() === true && stat.size === content.sizeBytes
  }

  async #readRecords(): Promise<readonly { readonly id: string; readonly content: Content }[]> {
    const records = []
    for (const id of await fs.readdir(this.#records)) {
      if (id.startsWith('.')) continue
      try {
        const text = await fs.readFile(pathIn(this.#records, id), 'utf8')
        records.push({ id, content: JSON.parse(text) as Content })
      } catch (thrown) {
        const because = sentence(thrown)
        this.#options.log.warn('record of an image cannot be read', { image: id, because })
      }
    }
    return records
  }
}

/** A tenant's qcow2 must not lead qemu to other files. */
async function refuseHostile(image: OrderImage, path: string): Promise<void> {
  if (image.format !== 'qcow2') return
  const file = await fs.open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(qcow2HeaderBytes))
    const refusal = qcow2Refusal(buffer.subarray(0, bytesRead))
    if (refusal === undefined) return
    throw new Fault('corrupt', `cannot use image ${image.name}: ${refusal}`)
  } finally {
    await file.close()
  }
}
