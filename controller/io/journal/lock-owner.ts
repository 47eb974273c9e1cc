import { readFile, stat } from 'node:fs/promises'

/**
 * Says which process holds a POSIX lock on a file, such as `4711 (node main.js)`, or undefined when
 * nobody that we can see does. The file is not opened: that would cost a holder in this process its
 * lock.
 */
export async function lockOwner(file: string): Promise<string | undefined> {
  try {
    const { ino } = await stat(file)
    const pid = pidIn(await readFile('/proc/locks', 'utf8'), ino)
    if (pid === undefined) return undefined
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const name = words.split('\0').slice(0, 2).join(' ').trim()
    return name === '' ? String(pid) : `${pid} (${name})`
  } catch {
    // No such file, or a system without /proc/locks: then nobody can be named.
    return undefined
  }
}

/** Finds the writer's lock on an inode in the text of /proc/locks. */
export function pidIn(locks: string, inode: number): number | undefined {
  for (const line of locks.split('\n')) {
    const [, type, , access, pid, place] = line.trim().split(/\s+/)
    if (type !== 'POSIX' || access !== 'WRITE') continue
    if (place?.split(':').at(-1) === String(inode) && Number(pid) > 0) return Number(pid)
  }
  return undefined
}
