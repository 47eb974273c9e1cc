/**
 * Knows folders by a marker in them. A mount point with nothing mounted looks like an empty folder;
 * so each gets a marker when it is first used, and the agent remembers it. Where the marker is
 * missing later, or is another one, the folder is not what it was.
 */
import { randomUUID } from 'node:crypto'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '#shared/files.ts'
import { makeFolder, pathIn, removeLeftovers, writeWhole } from './files.ts'

/** A folder as it was first used. */
export type Known = { readonly path: string; readonly marker: string }

/** What was remembered of a folder, and what is found there now. */
export type MarkerSeen =
  | { readonly state: 'same' | 'new' }
  /** It is not the folder that it was. */
  | { readonly state: 'changed'; readonly keptAt: string }

/** `mark` tells this host's unfinished files from those of others. */
export type MarkerBookOptions = {
  /** Folder in which is remembered what was used. */
  readonly book: string
  readonly mark: string
  /** Name of the marker in the folders. */
  readonly markerName: string
}

/** Remembers folders by name. */
export class MarkerBook {
  readonly #options: MarkerBookOptions

  constructor(options: MarkerBookOptions) {
    this.#options = options
  }

  /** Makes the folder of the book. */
  async open(): Promise<void> {
    await makeFolder(this.#options.book, 0o700)
    await removeLeftovers(this.#options.book)
  }

  /** Whether a folder is what it was when it was first used under a name. */
  async look(name: string, path: string): Promise<MarkerSeen> {
    const known = await this.recall(name)
    const marker = await this.#read(path)
    if (known?.path === path && known.marker !== marker) {
      return { state: 'changed', keptAt: pathIn(this.#options.book, name) }
    }
    if (marker === undefined) return { state: 'new' }
    if (known?.path !== path) await this.#remember(name, { path, marker })
    return { state: 'same' }
  }

  /** Marks a folder that is new. */
  async found(name: string, path: string): Promise<void> {
    const { markerName } = this.#options
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
    await this.#remember(name, { path, marker: (await this.#read(path)) ?? marker })
  }

  /** All that were ever used, with whether each is there now. */
  async all(): Promise<readonly (Known & { readonly name: string; readonly isThere: boolean })[]> {
    const folders = []
    for (const name of await fs.readdir(this.#options.book)) {
      if (name.startsWith('.')) continue
      const known = await this.recall(name)
      if (!known) continue
      folders.push({ ...known, name, isThere: (await this.#read(known.path)) === known.marker })
    }
    return folders
  }

  async recall(name: string): Promise<Known | undefined> {
    try {
      return JSON.parse(await fs.readFile(pathIn(this.#options.book, name), 'utf8')) as Known
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }

  async #remember(name: string, known: Known): Promise<void> {
    const { mark, book } = this.#options
    await writeWhole(pathIn(book, name), `${JSON.stringify(known)}\n`, { mark, mode: 0o600 })
  }

  async #read(path: string): Promise<string | undefined> {
    try {
      return (await fs.readFile(join(path, this.#options.markerName), 'utf8')).trim()
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
  }
}
