/** Runs the engine in a process of its own, so that nothing is warm that would not be. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Ours } from './ours.ts'

const run = promisify(execFile)

/** The engine on a file, in a process of its own. */
export async function ours(file: string, args: readonly string[]): Promise<Ours> {
  const program = path.join(import.meta.dirname, 'ours.ts')
  const { stdout } = await run(process.execPath, [program, file, ...args], { maxBuffer: 1 << 26 })
  return JSON.parse(stdout) as Ours
}

/** Milliseconds, with as many digits as count. */
export const short = (ms: number): string =>
  ms >= 100 ? String(Math.round(ms)) : ms.toPrecision(2)
