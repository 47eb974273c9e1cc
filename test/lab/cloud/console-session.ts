/** Somebody who sits at a console: types, and reads until something is said. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from './waiting.ts'

export class ConsoleSession implements AsyncDisposable {
  readonly #child: ChildProcess
  #said = ''
  #complained = ''

  constructor(line: readonly string[]) {
    const child = spawn(line[0]!, line.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.on('error', () => {})
    child.stdout.on('data', chunk => {
      this.#said += String(chunk)
    })
    child.stderr.on('data', chunk => {
      this.#complained += String(chunk)
    })
    this.#child = child
  }

  /** Types some text. */
  type(text: string): void {
    this.#child.stdin!.write(text)
  }

  /** Waits until the console has said something, and gives the match. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    return await eventually(`the console says ${pattern}`, async () => {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#complained}`)
      return pattern.exec(this.#said) ?? undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
