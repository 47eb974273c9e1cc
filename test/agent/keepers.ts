/** The processes that hold watchdogs open: they outlive whoever started them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../lab/cloud/waiting.ts'

/** Those of the devices below a path. */
export async function keepersOf(path: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    const line = await readFile(join('/proc', name, 'cmdline'), 'utf8').catch(() => '')
    if (line.startsWith('sh\0') && line.includes(path)) found.push(Number(name))
  }
  return found
}

/** Kills them, and waits until they are gone, with all that they held open. */
export async function endKeepers(path: string): Promise<void> {
  const pids = await keepersOf(path)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await eventually(
    'they end',
    async () => (await Promise.all(pids.map(hasEnded))).every(Boolean) || undefined
  )
}

/** One that ends has no command line any more while its files are still open. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return /^$|\) [ZX] /.test(stat)
}
