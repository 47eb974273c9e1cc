/**
 * Puts files into a container's tree, which its tenant owns: any folder of it may be a symbolic
 * link to the host's own files, or become one while we work. So each folder is opened by itself,
 * without following links, and the next name is looked up in the folder that is open, through
 * /proc/self/fd.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import fs, { type FileHandle } from 'node:fs/promises'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants

/** Writes one file, mode 0600, and the folders above it where they are missing. */
export async function writeTreeFile(tree: string, path: string, content: string): Promise<void> {
  const names = path.split('/')
  if (names.some(name => name === '' || name === '.' || name === '..' || name.includes('\0'))) {
    throw new Fault('storage', `cannot write ${path} into a tree: it is no plain relative path`)
  }
  let folder = await fs.open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    for (const name of names.slice(0, -1)) {
      const next = await openFolder(folder, name, path)
      await folder.close()
      folder = next
    }
    await writeInto(folder, names.at(-1)!, content)
  } finally {
    await folder.close()
  }
}

async function openFolder(parent: FileHandle, name: string, path: string): Promise<FileHandle> {
  const inside = within(parent, name)
  try {
    await fs.mkdir(inside, 0o755)
  } catch (thrown) {
    if (codeOf(thrown) !== 'EEXIST') throw thrown
  }
  try {
    return await fs.open(inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (cause) {
    const code = codeOf(cause)
    if (code !== 'ENOTDIR' && code !== 'ELOOP') throw cause
    throw new Fault('storage', `cannot write ${path} into a tree: ${name} is no folder in it`, {
      cause
    })
  }
}

async function writeInto(folder: FileHandle, name: string, content: string): Promise<void> {
  const temporary = within(folder, `.tmp-${randomBytes(6).toString('hex')}`)
  const file = await fs.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
    await fs.rename(temporary, within(folder, name))
    await folder.sync()
  } catch (thrown) {
    await fs.rm(temporary, { force: true })
    throw thrown
  } finally {
    await file.close()
  }
}

const within = (folder: FileHandle, name: string): string => `/proc/self/fd/${folder.fd}/${name}`
