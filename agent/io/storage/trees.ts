/**
 * Root directories of containers, unpacked from archives.
 *
 * An archive is hostile: tenants bring it, and root unpacks it. GNU tar keeps inside the folder: it
 * strips leading slashes, refuses names with `..`, and sets up symbolic links that point outside
 * only after everything else. Device files are taken away again, since a container gets its own
 * /dev. The unpacked tree may hold set-user-ID programs, so only root can enter the folder of
 * trees.
 */
import fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { run } from '#shared/process.ts'
import {
  discard,
  makeFolder,
  pathIn,
  place,
  removeLeftovers,
  removeTree,
  syncFileSystem,
  temporaryIn
} from './files.ts'
import { withinRoom } from './room.ts'
import { SharedWork } from './shared-work.ts'

const unpackMsMax = 30 * 60_000
const copyMsMax = 30 * 60_000

/** Trees that were unpacked once, to be copied many times. */
export class TreeFolder {
  readonly #folder: string
  readonly #mark: string
  readonly #unpacks = new SharedWork()
  /** How many copies are being made of each tree. */
  readonly #copies = new Map<string, number>()

  constructor(folder: string, mark: string) {
    this.#folder = folder
    this.#mark = mark
  }

  /** Makes the folder and removes what was left unfinished. */
  async open(): Promise<void> {
    await makeFolder(this.#folder, 0o700)
    await removeLeftovers(this.#folder)
  }

  /** Copies the tree of an archive, which is named by its hash, to a path that must not exist. */
  async copy(
    archive: { readonly path: string; readonly sha256: string },
    path: string,
    signal: AbortSignal
  ): Promise<void> {
    const tree = pathIn(this.#folder, archive.sha256)
    this.#copies.set(tree, (this.#copies.get(tree) ?? 0) + 1)
    try {
      await this.#unpacks.join(tree, signal, end => this.#unpack(archive.path, tree, end))
      const args = ['--archive', '--reflink=auto', '--', tree, path]
      await withinRoom(dirname(path), signal, end =>
        run('cp', args, { deadlineMs: copyMsMax, signal: end })
      )
    } finally {
      const left = this.#copies.get(tree)! - 1
      if (left === 0) this.#copies.delete(tree)
      else this.#copies.set(tree, left)
    }
  }

  /** Removes the trees of all archives but these. */
  async keepOnly(hashes: ReadonlySet<string>): Promise<void> {
    for (const entry of await fs.readdir(this.#folder)) {
      const path = pathIn(this.#folder, entry)
      if (!/^[0-9a-f]{64}$/.test(entry) || hashes.has(entry) || this.#copies.has(path)) continue
      await discard(path, this.#mark)
    }
  }

  async #unpack(archive: string, tree: string, signal: AbortSignal): Promise<void> {
    if (await fs.stat(tree).catch(() => undefined)) return
    const temporary = temporaryIn(this.#folder, this.#mark)
    try {
      await fs.mkdir(temporary)
      await fs.chmod(temporary, 0o755)
      await withinRoom(this.#folder, signal, end => extract(archive, temporary, end))
      await syncFileSystem(this.#folder, signal)
      await place(temporary, tree)
    } catch (thrown) {
      await removeTree(temporary)
      throw thrown
    }
  }
}

async function extract(archive: string, folder: string, signal: AbortSignal): Promise<void> {
  const limits = { deadlineMs: unpackMsMax, signal }
  await run(
    'tar',
    [
      '--extract',
      '--force-local',
      `--file=${archive}`,
      `--directory=${folder}`,
      '--numeric-owner',
      '--same-owner',
      '--same-permissions',
      '--delay-directory-restore',
      '--xattrs',
      '--xattrs-include=security.capability'
    ],
    limits
  )
  const devices = ['-xdev', '(', '-type', 'b', '-o', '-type', 'c', ')', '-delete']
  await run('find', [folder, ...devices], limits)
}
