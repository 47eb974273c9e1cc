/**
 * Files that nobody else may read: keys, admissions, tokens. They are written whole or not at all,
 * with mode 0600 from their first byte on, and one whose mode is looser is not used: what others
 * could read is no secret any more, and what others could write is not ours.
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from './fault.ts'
import { codeOf, syncFile } from './files.ts'

/** No such file is longer, unless its reader says so. Unit: bytes. */
const privateFileBytesMax = 64 * 1024

/**
 * Reads a private file; undefined: there is none. Fault `forbidden` when others could read or write
 * it, `corrupt` when it is no file or far too long.
 */
export async function readPrivateFile(
  path: string,
  bytesMax: number = privateFileBytesMax
): Promise<string | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined
    throw cannot('read', path, thrown)
  }
  try {
    const stat = await file.stat()
    const mode = stat.mode & 0o777
    if (!stat.isFile() || stat.size > bytesMax) {
      throw new Fault('corrupt', `cannot use ${path}: it is no file of ours`)
    }
    if ((mode & 0o077) !== 0) {
      throw new Fault(
        'forbidden',
        `cannot use ${path}: its mode is ${octal(mode)}, so others can read or write it`,
        { next: [`look who has read it, then: chmod 600 ${path}`] }
      )
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** Writes a private file, over one that is there. Once done, it would survive a power cut. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await placePrivateFile(path, text, temporary => rename(temporary, path))
}

/** Writes a private file unless there is one; says whether it did. */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  try {
    await placePrivateFile(path, text, temporary => link(temporary, path))
    return true
  } catch (thrown) {
    if (codeOf((thrown as Error).cause) === 'EEXIST') return false
    throw thrown
  }
}

async function placePrivateFile(
  path: string,
  text: string,
  place: (temporary: string) => Promise<void>
): Promise<void> {
  const folder = dirname(path)
  const temporary = `${path}.${randomUUID()}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeSynced(temporary, text)
    await place(temporary)
    await syncFile(folder)
  } catch (thrown) {
    throw cannot('write', path, thrown)
  } finally {
    await rm(temporary, { force: true })
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

const octal = (mode: number): string => `0${mode.toString(8)}`
const cannot = (verb: string, path: string, thrown: unknown): Fault =>
  new Fault('storage', `cannot ${verb} ${path}`, { cause: thrown })
