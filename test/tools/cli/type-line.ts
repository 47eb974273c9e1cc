/** Types one command line as a user would, inside the test's own process. */
import { PassThrough, Writable } from 'node:stream'
import { main } from '../../../tools/cli/main.ts'
import type { Input, Output } from '../../../tools/cli/terminal.ts'

export type Typed = { readonly code: number; readonly output: string; readonly errors: string }

export type TypeOptions = {
  /** Adds --server; left out, the line stands as it is. */
  readonly server?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What is on standard input, if it is not a terminal. */
  readonly input?: string
  /** Makes all three streams a terminal of so many columns, on which this is typed. */
  readonly terminal?: { readonly columns: number; readonly typed?: string }
  readonly interrupted?: AbortSignal
  /** Sees the output as it grows. */
  readonly watch?: (output: string, errors: string) => void
}

/** A stream that keeps what is written to it. */
class Kept extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns: number | undefined
  onText: () => void = () => {}

  constructor(columns: number | undefined) {
    super({ decodeStrings: false })
    this.isTTY = columns !== undefined
    this.columns = columns
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    this.onText()
    done()
  }
}

/** No state folder of this machine is ever looked at. */
const nowhere = '/nonexistent/remuda-test'

/** Runs a line such as `instance list -o name` and gives what came of it. */
export async function typeLine(
  line: string | readonly string[],
  options: TypeOptions = {}
): Promise<Typed> {
  const words = typeof line === 'string' ? line.split(' ').filter(word => word !== '') : [...line]
  const columns = options.terminal?.columns
  const output = new Kept(columns)
  const errors = new Kept(columns)
  const watch = () => options.watch?.(output.text, errors.text)
  output.onText = watch
  errors.onText = watch
  const input = new PassThrough() as PassThrough & { isTTY?: boolean }
  if (options.terminal) {
    input.isTTY = true
    if (options.terminal.typed !== undefined) input.write(options.terminal.typed)
  } else input.end(options.input ?? '')
  const server = options.server === undefined ? [] : ['--server', options.server]
  const code = await main([...words, ...server], {
    input: input as Input,
    output: output as Output,
    errors: errors as Output,
    environment: { REMUDA_STATE: nowhere, ...options.environment },
    interrupted: options.interrupted ?? new AbortController().signal
  })
  input.destroy()
  return { code, output: output.text, errors: errors.text }
}
