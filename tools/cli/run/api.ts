import fs from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { Ask } from '../api/client.ts'
import { faultOfAnswer } from '../api/problem.ts'
import { describeFailure, exitCodeOf, UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { unreadable } from './files.ts'

/** Longest that the API may take to answer: a request may ask it to wait. */
const answerMsMax = 120_000

/** Sends one request and writes the answer as it is. */
export async function sendRequest(invocation: Invocation): Promise<number> {
  const { given, settings } = invocation
  const method = given.positional('METHOD') as Ask['method']
  const asked = given.positional('PATH')!
  const path = asked.startsWith('/') ? asked : `/v1/${asked}`
  const text = given.text('body')
  const content = text === undefined ? undefined : await readBody(invocation, text)
  const api = await invocation.connect()
  const tenant = /[?&]tenant=/.test(path) ? undefined : settings.tenant
  const answer = await api.askAnyway({
    method,
    path,
    query: { tenant },
    headers: readHeaders(given.texts('header')),
    ...(content === undefined ? {} : { body: content }),
    deadlineMs: answerMsMax,
    doing: `${method} ${path}`,
    signal: invocation.signal
  })
  if (given.flag('include')) {
    const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\n`)
    invocation.write(`HTTP/1.1 ${answer.status}\n${headers.join('')}\n`)
  }
  const isJson = /[/+]json/.test(answer.headers['content-type'] ?? '')
  const isTerminal = invocation.terminal.output.isTTY === true
  if (isJson && isTerminal) invocation.write(indented(answer.bytes))
  else invocation.terminal.output.write(answer.bytes)
  if (isJson && !isTerminal && answer.bytes.at(-1) !== 0x0a) invocation.write('\n')
  if (answer.status < 400) return 0
  const fault = faultOfAnswer(answer.status, answer.bytes, `${method} ${path}`)
  invocation.terminal.errors.write(describeFailure(fault))
  return exitCodeOf(fault)
}

function indented(bytes: Buffer): string {
  try {
    return `${JSON.stringify(JSON.parse(bytes.toString('utf8')), undefined, 2)}\n`
  } catch {
    return bytes.toString('utf8')
  }
}

async function readBody(invocation: Invocation, text: string): Promise<unknown> {
  const [bytes, from] =
    text === '@-'
      ? [await buffer(invocation.terminal.input), 'standard input']
      : text.startsWith('@')
        ? [await readFile(text.slice(1)), text.slice(1)]
        : [Buffer.from(text), '--body']
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new UsageFault(`cannot send ${from}: it is not JSON`, { cause: error })
  }
}

async function readFile(file: string): Promise<Buffer> {
  try {
    return await fs.readFile(file)
  } catch (error) {
    throw unreadable(file, error)
  }
}

function readHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    lines.map(line => {
      const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? []
      if (name !== undefined && value !== undefined) return [name.toLowerCase(), value] as const
      throw new UsageFault(`cannot read the header "${line}"`, {
        next: ['write for example -H "If-Match: *"']
      })
    })
  )
}
