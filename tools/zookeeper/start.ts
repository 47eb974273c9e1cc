import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import type { ServerPlan } from './server.ts'

/** A server that runs as long as we do. */
export interface RunningServer extends AsyncDisposable {
  readonly pid: number
  /** File that it writes to. */
  readonly output: string
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>
  readonly hasEnded: boolean
  /** Stops it where it is, and lets it go on. */
  pause(): void
  resume(): void
  /** Ends it without a word, as a power cut does. */
  kill(): Promise<void>
}

/**
 * Starts a server whose files are written. The kernel ends it when we end. Java is not found in the
 * caller's PATH but in the system's; `wrapper` is a command in front, such as nsenter.
 */
export async function startZooKeeperServer(
  plan: ServerPlan,
  options: { readonly folder: string; readonly wrapper?: readonly string[] }
): Promise<RunningServer> {
  const output = join(options.folder, 'output.log')
  const [command, ...args] = [
    '/usr/bin/setpriv',
    '--pdeathsig',
    'KILL',
    ...(options.wrapper ?? []),
    plan.command,
    ...plan.args
  ] as const
  const descriptor = openSync(output, 'a')
  try {
    const child = spawn(command, args, {
      cwd: '/',
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', descriptor, descriptor]
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', cause => {
        reject(new Fault('command', 'cannot start a ZooKeeper server', { cause }))
      })
    })
    return new Server(child, output)
  } finally {
    closeSync(descriptor)
  }
}

class Server implements RunningServer {
  readonly pid: number
  readonly output: string
  readonly ended: Promise<void>
  readonly #child: ChildProcess

  constructor(child: ChildProcess, output: string) {
    this.#child = child
    this.pid = child.pid!
    this.output = output
    this.ended = new Promise(resolve => {
      child.once('exit', () => resolve())
    })
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
  pause(): void {
    this.#signal('SIGSTOP')
  }
  resume(): void {
    this.#signal('SIGCONT')
  }
  async kill(): Promise<void> {
    this.#signal('SIGKILL')
    await this.ended
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  /** Its process group: a wrapper too. */
  #signal(signal: NodeJS.Signals): void {
    if (this.hasEnded) return
    try {
      process.kill(-this.pid, signal)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
    }
  }
}
