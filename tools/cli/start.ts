/** The one place where the command line touches the real process. */
import { main } from './main.ts'

/** Runs the command in `process.argv` on the real terminal and leaves its exit code behind. */
export async function start(): Promise<void> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupted.abort())
  }
  // A reader that has seen enough, such as `head`, is no failure of ours. Nor does a terminal that
  // was closed keep a command that is interrupted by that from leaving things in order.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!interrupted.signal.aborted) process.exit(error.code === 'EPIPE' ? 0 : 1)
  })
  process.stderr.on('error', () => {})
  process.exitCode = await main(process.argv.slice(2), {
    input: process.stdin,
    output: process.stdout,
    errors: process.stderr,
    environment: process.env,
    interrupted: interrupted.signal
  })
}
