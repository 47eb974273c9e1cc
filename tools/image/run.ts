/** The one place where the image builder runs programs. */
import { execFile } from 'node:child_process'
import { Fault } from '#shared/fault.ts'

/** Limits and surroundings of a program; a minute is the limit when none is given. */
export type RunOptions = {
  readonly deadlineMs?: number
  readonly signal?: AbortSignal | undefined
  readonly cwd?: string
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Given as standard input. */
  readonly input?: string
}

const deadlineMsDefault = 60_000
const outputBytesMax = 16 * 1024 * 1024

/**
 * Runs a program and gives its standard output. Fault `command` when it fails or is not installed,
 * with the last lines of its standard error; `deadline` and `aborted` after killing it.
 */
export async function run(
  program: string,
  programArguments: readonly string[],
  options: RunOptions = {}
): Promise<string> {
  const deadlineMs = options.deadlineMs ?? deadlineMsDefault
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = execFile(
    program,
    programArguments,
    {
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
      maxBuffer: outputBytesMax,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal ? { signal: options.signal } : {})
    },
    (error, stdout, stderr) => {
      if (error) reject(faultOf(program, deadlineMs, error, stderr))
      else resolve(stdout)
    }
  )
  // A program that ends without reading its input must fail by its own code, not by our EPIPE.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  return await promise
}

type ExecError = Error & { readonly code?: number | string | null; readonly killed?: boolean }

function faultOf(program: string, deadlineMs: number, error: ExecError, stderr: string): Fault {
  if (error.code === 'ENOENT') {
    return new Fault('command', `cannot run ${program}: it is not installed`, { cause: error })
  }
  if (error.name === 'AbortError') {
    return new Fault('aborted', `cannot finish ${program}: the caller gave up`, { cause: error })
  }
  if (error.killed) {
    return new Fault('deadline', `cannot finish ${program}: it ran for ${deadlineMs} ms`)
  }
  const reasons = stderr.trim().split('\n').slice(-5)
  return new Fault('command', `cannot run ${program}: it ended with ${error.code}`, { reasons })
}
