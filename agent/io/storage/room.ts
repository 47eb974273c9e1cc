import fs from 'node:fs/promises'
import { Fault } from '#shared/fault.ts'
import { formatMib, type Mib } from '#shared/units.ts'

/** So much is always left free on a file system, so that the host itself can go on. */
const leftMibMin = 128 as Mib
const leftFilesMin = 1_000
const lookMs = 500

/** How large a file system is and how much room is left on it. */
export async function roomOf(path: string): Promise<{
  readonly capacityMib: Mib
  readonly freeMib: Mib
}> {
  const { bsize, blocks, bavail } = await fs.statfs(path)
  const mib = (count: number) => Math.floor((count * bsize) / 2 ** 20) as Mib
  return { capacityMib: mib(blocks), freeMib: mib(bavail) }
}

/** Fault `capacity` unless so much can be written and enough is left afterwards. */
export async function needRoom(path: string, bytes: number): Promise<void> {
  const { freeMib } = await roomOf(path)
  const neededMib = Math.ceil(bytes / 2 ** 20) as Mib
  if (freeMib - neededMib >= leftMibMin) return
  throw new Fault(
    'capacity',
    `cannot write ${formatMib(neededMib)} to ${path}: ${formatMib(freeMib)} are free, ` +
      `of which ${formatMib(leftMibMin)} must stay free`
  )
}

/**
 * Does work that writes an amount nobody knows, such as unpacking an archive that a tenant brought,
 * and gives it up when the file system gets full.
 */
export async function withinRoom<Result>(
  path: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>
): Promise<Result> {
  const full = new AbortController()
  const timer = setInterval(() => {
    void look(path).then(reason => {
      if (reason !== undefined) full.abort(new Fault('capacity', reason))
    })
  }, lookMs)
  try {
    return await work(signal ? AbortSignal.any([signal, full.signal]) : full.signal)
  } catch (thrown) {
    throw full.signal.aborted ? full.signal.reason : thrown
  } finally {
    clearInterval(timer)
  }
}

async function look(path: string): Promise<string | undefined> {
  const stat = await fs.statfs(path).catch(() => undefined)
  if (!stat) return undefined
  const freeMib = Math.floor((stat.bavail * stat.bsize) / 2 ** 20) as Mib
  if (freeMib < leftMibMin) {
    return `cannot go on writing to ${path}: only ${formatMib(freeMib)} are left free`
  }
  return stat.files > 0 && stat.ffree < leftFilesMin
    ? `cannot go on writing to ${path}: only ${stat.ffree} more files are possible`
    : undefined
}
