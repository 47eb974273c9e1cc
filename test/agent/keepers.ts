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

/** Kills them, and waits until they are gone. */
export async function endKeepers(path: string): Promise<void> {
  for (const pid of await keepersOf(path)) process.kill(pid, 'SIGKILL')
  await eventually('they end', async () => (await keepersOf(path)).length === 0 || undefined)
}
