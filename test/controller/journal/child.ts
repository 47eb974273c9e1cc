import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./journal-child.ts', import.meta.url))

/** A process that runs one task of `journal-child.ts`; it is killed when it is disposed of. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess
  readonly #ended: Promise<unknown>

  /**
   * `within` is a shell script that sets the stage and ends with `exec "$@"`; `heapMib` is all the
   * memory that its own values may take; `isQuiet`: what it says of its end is not shown.
   */
  constructor(
    task: string,
    folder: string,
    {
      within,
      heapMib,
      isQuiet = false
    }: { readonly within?: string; readonly heapMib?: number; readonly isQuiet?: boolean } = {}
  ) {
    const limits = heapMib === undefined ? [] : [`--max-old-space-size=${heapMib}`]
    const command = [process.execPath, ...limits, program, task, folder]
    const staged = ['unshare', '-m', 'sh', '-ec', within ?? '', 'sh', ...command]
    const [file, ...rest] = within === undefined ? command : staged
    this.process = spawn(file!, rest, { stdio: ['pipe', 'pipe', isQuiet ? 'ignore' : 'inherit'] })
    this.#ended = once(this.process, 'close')
  }

  /** What it says, line by line, until it ends. */
  async *lines(): AsyncIterable<Readonly<Record<string, unknown>>> {
    for await (const line of createInterface({ input: this.process.stdout! })) {
      // A killed process may have written half a line.
      if (line.endsWith('}')) yield JSON.parse(line)
    }
  }

  /** By which signal it has ended once it has; undefined: by itself. */
  async endedBy(): Promise<NodeJS.Signals | undefined> {
    await this.#ended
    return this.process.signalCode ?? undefined
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
