import { readFile, stat } from 'node:fs/promises'

/**
 * Says which process holds a POSIX lock on a file, such as `4711 (node main.js)`, or undefined when
 * nobody that we can see does. The file is not opened: that would cost a holder in this process its
 * lock. With `anyDevice` the inode's number is enough, for file systems such as btrfs whose files
 * have another device number than their locks; then the answer is only a good guess.
 */
export async function lockOwner(
  file: string,
  options: { readonly anyDevice?: boolean } = {}
): Promise<string | undefined> {
  try {
    const { ino, dev } = await stat(file)
    const locks = await readFile('/proc/locks', 'utf8')
    const pid = writerIn(locks, options.anyDevice ? { ino } : { ino, dev })
    if (pid === undefined) return undefined
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const name = words.split('\0').slice(0, 2).join(' ').trim()
    return name === '' ? String(pid) : `${pid} (${name})`
  } catch {
    // No such file, or a system without /proc/locks: then nobody can be named.
    return undefined
  }
}

/** Finds the process with a write lock on a file in the text of /proc/locks. */
export function writerIn(
  locks: string,
  file: { readonly ino: number; readonly dev?: number }
): number | undefined {
  const device = file.dev === undefined ? '' : deviceOf(file.dev)
  for (const line of locks.split('\n')) {
    const [, type, , access, pid, place = ''] = line.trim().split(/\s+/)
    if (type !== 'POSIX' || access !== 'WRITE' || !(Number(pid) > 0)) continue
    if (place.startsWith(device) && place.endsWith(`:${file.ino}`)) return Number(pid)
  }
  return undefined
}

/** A device number as /proc/locks writes it: major and minor, hexadecimal. See makedev(3). */
function deviceOf(dev: number): string {
  const major = (dev >>> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00)
  return [major, minor].map(half => `${half.toString(16).padStart(2, '0')}:`).join('')
}
