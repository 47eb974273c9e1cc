/** A daemon of a private cloud: a real process in its namespaces, to be killed and begun again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'

/** A start may take so long, and an end by itself; both are far more than is needed. */
const startMsMax = 60_000
const endMsMax = 30_000

export type DaemonOptions = {
  readonly name: string
  /** What it is started by, such as nsenter with its options, then the program and arguments. */
  readonly line: readonly string[]
  /** Whether the command at the head of the line starts the daemon as its child. */
  readonly isEntered: boolean
  readonly logFile: string
  readonly readyFile: string
}

/** One line of a daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly message?: string }

export class Daemon {
  readonly #options: DaemonOptions
  #child: ChildProcess | undefined
  #pid = 0

  constructor(options: DaemonOptions) {
    this.#options = options
  }

  /** The process id as seen from outside. */
  get pid(): number {
    return this.#pid
  }

  get runs(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** Starts it and waits until it is ready; Fault `unavailable` with its last words: it ended. */
  async start(): Promise<void> {
    const { readyFile, name } = this.#options
    await rm(readyFile, { force: true })
    await this.launch()
    const until = performance.now() + startMsMax
    while (!(await exists(readyFile))) {
      if (!this.runs || performance.now() > until) {
        const why = this.runs ? `not ready in ${startMsMax} ms` : `it ended (${this.#ending()})`
        await this.kill()
        const words = (await this.log()).slice(-5).map(line => JSON.stringify(line))
        throw new Fault('unavailable', `cannot start ${name}: ${why}\n${words.join('\n')}`)
      }
      await sleep(10)
    }
  }

  /** Starts it without waiting for more than its process id. */
  async launch(): Promise<void> {
    const { line, logFile, isEntered } = this.#options
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(line[0]!, line.slice(1), { cwd: '/', stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child = child
    await once(child, 'spawn')
    this.#pid = isEntered ? await childOf(child) : child.pid!
  }

  /** Waits for its end, and gives its exit code, or the signal. */
  async ended(): Promise<number | string | null> {
    const child = this.#child
    if (child === undefined) return null
    if (this.runs) await once(child, 'exit', { signal: AbortSignal.timeout(endMsMax) })
    return this.#ending()
  }

  /** Ends it as a supervisor would, by force when it does not listen. */
  async stop(): Promise<void> {
    if (!this.runs) return
    process.kill(this.#pid, 'SIGTERM')
    const ended = await this.ended().catch(() => undefined)
    if (ended === undefined) await this.kill()
  }

  /** Ends it without a word of warning. */
  async kill(): Promise<void> {
    if (!this.runs) return
    process.kill(this.#pid, 'SIGKILL')
    await this.ended()
  }

  /** Everything that it has logged, of all its runs. */
  async log(): Promise<readonly LogLine[]> {
    const text = await readFile(this.#options.logFile, 'utf8').catch(() => '')
    return text.split('\n').filter(Boolean).map(parse)
  }

  #ending(): number | string | null {
    return this.#child?.exitCode ?? this.#child?.signalCode ?? null
  }
}

const parse = (line: string): LogLine => {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return { message: line }
  }
}

/** Finds the process that another one has started after entering namespaces. */
async function childOf(parent: ChildProcess): Promise<number> {
  const { pid } = parent
  const until = performance.now() + startMsMax
  while (parent.exitCode === null && parent.signalCode === null && performance.now() < until) {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
    const [child] = text.split(' ').filter(Boolean).map(Number)
    if (child !== undefined) return child
    await sleep(2)
  }
  return pid!
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false
  )
