/** A candidate as a chaos run sees it: a program that is started again whenever it has ended. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { CandidateOrder } from './candidate.ts'
import type { Line } from './history.ts'

const againAfterMs = 200
const program = join(import.meta.dirname, 'candidate.ts')

/** All lives of one candidate. */
export class Lives implements AsyncDisposable {
  readonly name: string
  /** Epoch in which it leads at the moment. */
  leads: number | undefined
  /** How often each exit code or signal has ended it. */
  readonly ends = new Map<string, number>()
  readonly #order: Omit<CandidateOrder, 'by' | 'history'>
  readonly #folder: string
  #child: ChildProcess | undefined
  #count = 0
  #isOver = false

  constructor(name: string, folder: string, order: Omit<CandidateOrder, 'by' | 'history'>) {
    this.name = name
    this.#folder = folder
    this.#order = order
  }

  /** Begins the next life. */
  begin(): void {
    if (this.#isOver) return
    this.#count += 1
    const by = `${this.name}.${this.#count}`
    const order = { ...this.#order, by, history: join(this.#folder, `${by}.jsonl`) }
    const words = [process.execPath, program, JSON.stringify(order)]
    // The kernel ends it when we end.
    const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', ...words], {
      stdio: ['ignore', 'pipe', 'ignore']
    })
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', text => {
      if (child !== this.#child) return
      const line = JSON.parse(text) as Line
      this.leads = line.type === 'leads' ? line.epoch : undefined
    })
    child.once('exit', (code, signal) => {
      this.leads = undefined
      const end = String(signal ?? code)
      this.ends.set(end, (this.ends.get(end) ?? 0) + 1)
      setTimeout(() => this.begin(), againAfterMs)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
