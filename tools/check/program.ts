import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** What becomes of a program's output, and how long it may take. */
export type ProgramOptions = {
  /** When this long has passed, it is asked to end, and killed if it does not. Unit: ms. */
  readonly deadlineMs: number
  readonly stdout: (line: string) => void
  readonly stderr: (line: string) => void
}

/** How long a program that was asked to end may take before it is killed. */
const graceMs = 10_000

/** How long output may go on after the end, from something that it started and left behind. */
const drainMs = 2_000

/** Where what Node has compiled is kept: hundreds of files of tests read the same modules. */
const compiled = path.join(import.meta.dirname, '../../node_modules/.cache/compiled')

/** Plain text whatever terminal this is: no colours, no cursor movements. */
const { FORCE_COLOR: _, ...inherited } = process.env
const environment = { NODE_COMPILE_CACHE: compiled, ...inherited, NO_COLOR: '1', TERM: 'dumb' }

/**
 * Runs a JavaScript or native program line by line and gives its exit code; undefined when it was
 * killed or could not start. It is in our process group, so that Ctrl-C ends it together with us.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions
): Promise<number | undefined> {
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const timers = [
    setTimeout(() => {
      options.stderr(`${command} was ended: not done in ${options.deadlineMs} ms`)
      child.kill('SIGTERM')
    }, options.deadlineMs),
    setTimeout(() => child.kill('SIGKILL'), options.deadlineMs + graceMs)
  ]
  try {
    const ended = new Promise<number | undefined>(resolve => {
      child.once('error', error => {
        options.stderr(`${command} did not start: ${error.message}`)
        resolve(undefined)
      })
      child.once('close', code => resolve(code ?? undefined))
      child.once('exit', code => {
        timers.push(setTimeout(() => resolve(code ?? undefined), drainMs))
      })
    })
    const read = (stream: Readable, each: (line: string) => void) =>
      void createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', each)
    read(child.stdout, options.stdout)
    read(child.stderr, options.stderr)
    return await ended
  } finally {
    for (const timer of timers) clearTimeout(timer)
    child.stdout.destroy()
    child.stderr.destroy()
  }
}
