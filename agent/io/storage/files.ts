/**
 * Makes files appear whole or not at all: written under a temporary name in the same folder,
 * flushed to the disk, then renamed, and the folder flushed too. What a crash leaves behind has a
 * name that says so.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { codeOf, syncFile } from '#shared/files.ts'
import { run } from '#shared/process.ts'

/** How long the disk may take to take in what was written. */
const flushMsMax = 10 * 60_000
const removeMsMax = 10 * 60_000

const prefix = '.tmp-'

/** Invents a name for something unfinished in a folder; the mark says whose it is. */
export const temporaryIn = (folder: string, mark: string): string =>
  join(folder, `${prefix}${mark}-${randomBytes(6).toString('hex')}`)

/** Removes what earlier runs left unfinished in a folder: of everybody, or with one mark. */
export async function removeLeftovers(folder: string, mark?: string): Promise<void> {
  const start = mark === undefined ? prefix : `${prefix}${mark}-`
  for (const name of await fs.readdir(folder)) {
    if (name.startsWith(start)) await removeTree(join(folder, name))
  }
}

/** Gives what is finished its final name, so that it survives a power cut. */
export async function place(temporary: string, path: string): Promise<void> {
  await fs.rename(temporary, path)
  await syncFile(dirname(path))
}

/** Makes a folder of ours with this mode, whatever the umask. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  await fs.mkdir(path, { recursive: true, mode })
  await fs.chmod(path, mode)
}

/** Flushes everything of the file system that a path is on, as after copying a tree. */
export async function syncFileSystem(path: string, signal?: AbortSignal): Promise<void> {
  await run('sync', ['--file-system', path], { deadlineMs: flushMsMax, signal })
}

/** Writes a small file whole. */
export async function writeWhole(
  path: string,
  content: string,
  options: { readonly mark: string; readonly mode: number }
): Promise<void> {
  const temporary = temporaryIn(dirname(path), options.mark)
  const file = await fs.open(temporary, 'wx', options.mode)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await place(temporary, path)
}

/**
 * Removes a file or a tree, which may be hostile: rm(1) follows no symbolic link, not even one that
 * appears while it works, and crosses no mount point.
 */
export async function removeTree(path: string): Promise<void> {
  await run('rm', ['--recursive', '--force', '--one-file-system', '--', path], {
    deadlineMs: removeMsMax
  })
}

/** Takes something away at once and for good, then frees its room. Nothing there is fine. */
export async function discard(path: string, mark: string): Promise<void> {
  const temporary = temporaryIn(dirname(path), mark)
  try {
    await place(path, temporary)
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return
    throw thrown
  }
  await removeTree(temporary)
}

/** Gives the path of something named by an id, which must not lead out of its folder. */
export function pathIn(folder: string, id: string, ending = ''): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(id)) {
    throw new Fault('storage', `cannot use "${id}" as a file name: it is no id`)
  }
  return join(folder, `${id}${ending}`)
}

const portCodes = ['storage', 'not-found', 'capacity', 'corrupt', 'unavailable', 'aborted']

/** Does something with the storage; what fails becomes a Fault with a code of the port. */
export async function attempt<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof Fault && portCodes.includes(thrown.code)) throw thrown
    const code = codeOf(thrown)
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    const late = code === 'deadline'
    throw new Fault(full ? 'capacity' : late ? 'unavailable' : 'storage', `cannot ${what}`, {
      cause: thrown
    })
  }
}
