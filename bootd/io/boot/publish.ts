/**
 * Files that dnsmasq hands out or reads, which gives its rights up: anybody may read them. One is
 * never seen half, and one that is as it should be is left as it is: on a disk that is full or can
 * only be read, what was there before is served on.
 */
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '#shared/files.ts'

/** Makes a folder that all may read. */
export async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  if (((await stat(path)).mode & 0o777) !== 0o755) await chmod(path, 0o755)
}

/** Writes a file, unless it says the same already. */
export async function publish(path: string, text: string): Promise<void> {
  const before = await readFile(path).catch(unlessMissing)
  if (before?.equals(Buffer.from(text))) return
  await place(path, draft => writeFile(draft, text))
}

/** Copies a file of a few MiB, unless it is the same already; removes it where there is none. */
export async function publishCopy(from: string, path: string): Promise<void> {
  const wanted = await readFile(from).catch(unlessMissing)
  if (wanted === undefined) {
    await rm(path, { force: true })
    return
  }
  const before = await readFile(path).catch(unlessMissing)
  if (before?.equals(wanted)) return
  await place(path, draft => copyFile(from, draft))
}

async function place(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.part`)
  try {
    await write(draft)
    await chmod(draft, 0o644)
    await rename(draft, path)
  } catch (thrown) {
    // What is half there would take the room that is lacking.
    await rm(draft, { force: true }).catch(() => undefined)
    throw thrown
  }
}

function unlessMissing(thrown: unknown): undefined {
  if (codeOf(thrown) !== 'ENOENT') throw thrown
  return undefined
}
