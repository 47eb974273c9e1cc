/** Somebody who sits at a console: types, and reads until something is said. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from './waiting.ts'

/** A command is typed anew after so many looks, about ten seconds. */
const looksEach = 200

export class ConsoleSession implements AsyncDisposable {
  readonly #child: ChildProcess
  #said = ''
  #complained = ''
  #commands = 0

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

  /** Types a command at a prompt and waits until it has ended; types it anew if it got lost. */
  async run(command: string): Promise<void> {
    const ended = new RegExp(`ended-${++this.#commands}-as-told`)
    let looks = 0
    await eventually(`the console has run ${command}; it says ${this.#said}`, async () => {
      if (looks++ % looksEach === 0) {
        this.type(`${command}; echo ended-$((${this.#commands} + 0))-as-told\r`)
      }
      return ended.exec(this.#said) ?? undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
