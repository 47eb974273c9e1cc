/** The files in which logs of hosts are kept, on the disk. */
import { mkdir, open, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import { type BootLog, isHostUuid, readLogFileName } from '../../core/host-log-files.ts'

/** Finds all logs in a folder, which it makes; what cannot be read is left alone, and told. */
export async function logsIn(folder: string, log: Log): Promise<readonly BootLog[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const logs: BootLog[] = []
  for (const host of await readdir(folder)) {
    if (!isHostUuid(host)) continue
    try {
      logs.push(...(await logsOf(folder, host)))
    } catch (thrown) {
      log.warn('logs of a host cannot be read', { host, because: sentence(thrown) })
    }
  }
  return logs
}

async function logsOf(folder: string, host: string): Promise<readonly BootLog[]> {
  const logs = new Map<string, BootLog>()
  for (const name of await readdir(join(folder, host))) {
    const said = readLogFileName(name)
    if (!said) continue
    const { size: bytes, mtimeMs } = await stat(join(folder, host, name))
    const { boot, begunAt, start } = said
    const before = logs.get(boot)
    const files = [...(before?.files ?? []), { start, bytes }]
    logs.set(boot, {
      // Nobody knows any more whether it has joined; what was kept so far is kept.
      ...{ host, boot, begunAt, hasJoined: true },
      files: files.toSorted((a, b) => a.start - b.start),
      lastAt: Math.max(before?.lastAt ?? begunAt, Math.trunc(mtimeMs))
    })
  }
  return [...logs.values()]
}

/** Writes at a place of a file, which is made for its first bytes; nothing is left of a failure. */
export async function writeAt(path: string, text: string, place: number): Promise<void> {
  if (place === 0) await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await using file = await open(path, place === 0 ? 'w' : 'r+', 0o600)
  const bytes = Buffer.from(text)
  try {
    for (let at = 0; at < bytes.length; ) {
      at += (await file.write(bytes, at, bytes.length - at, place + at)).bytesWritten
    }
  } catch (thrown) {
    await file.truncate(place).catch(() => undefined)
    throw thrown
  }
}

/** Removes files of one host, and its folder with the last one. */
export async function removeFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true })
  const [first] = paths
  if (first !== undefined) await rmdir(dirname(first)).catch(() => undefined)
}

/** Bytes of a file; one that was given up meanwhile has none. */
export async function readPart(
  path: string,
  { at, bytes }: { readonly at: number; readonly bytes: number }
): Promise<Buffer> {
  try {
    await using file = await open(path, 'r')
    const buffer = Buffer.alloc(bytes)
    const { bytesRead } = await file.read(buffer, 0, bytes, at)
    return buffer.subarray(0, bytesRead)
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return Buffer.alloc(0)
    throw new Fault('storage', `cannot read ${path}`, { cause: thrown })
  }
}
