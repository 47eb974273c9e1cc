import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { canAsk } from '../terminal.ts'
import { confirm } from './ask.ts'
import { readText } from './files.ts'

type Secret = {
  readonly name: string
  readonly changedAt: string
  readonly by: string
  readonly hosts: readonly string[]
}

const path = '/v1/secrets'
const pathOf = (name: string): string => `${path}/${encodeURIComponent(name)}`

/** Sets a secret. */
export async function setSecret(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const name = given.positional('NAME')!
  const doing = `set secret ${name}`
  const value = await readSecret(invocation, name)
  const api = await invocation.connect()
  await api.ask({ method: 'PUT', path: pathOf(name), body: { value }, doing, signal })
  invocation.write(`secret/${name} set\n`)
}

/** One line end at the end is the editor's, not the secret's. */
async function readSecret(invocation: Invocation, name: string): Promise<string> {
  const file = invocation.given.text('file')
  if (file === undefined && canAsk(invocation.terminal)) return await typed(invocation, name)
  return (await readText(invocation, file ?? '-')).replace(/\r?\n$/, '')
}

/** Asks on the terminal, where nothing of what is typed appears. */
async function typed({ terminal, signal }: Invocation, name: string): Promise<string> {
  terminal.errors.write(`Value of secret ${name} (it is not shown): `)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const dialogue = createInterface({ input: terminal.input, output: nowhere, terminal: true })
  const closed = new AbortController()
  dialogue.once('close', () => closed.abort())
  try {
    return await dialogue.question('', { signal: AbortSignal.any([signal, closed.signal]) })
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error
    throw new Fault('command', 'cannot go on: no value was typed, and nothing was done')
  } finally {
    dialogue.close()
    terminal.errors.write('\n')
  }
}

/** Lists secrets. */
export async function listSecrets(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'list secrets'
  const { signal } = invocation
  const answer = await api.ask({ method: 'GET', path, doing, signal })
  const list = readJson(answer, doing) as { readonly items: readonly Secret[] }
  const raw = await renderRaw(invocation, list)
  if (raw !== undefined) return invocation.write(raw)
  if (invocation.settings.format === 'name') {
    return invocation.write(list.items.map(({ name }) => `secret/${name}\n`).join(''))
  }
  const now = Date.now()
  const rows = list.items.map(({ name, changedAt, by, hosts }) => [
    name,
    `${writeAge(changedAt, now)} ago`,
    by,
    hosts.length === 0 ? 'none' : hosts.join(', ')
  ])
  invocation.write(renderRows(invocation, ['NAME', 'CHANGED', 'BY', 'NEEDED BY'], rows))
}

/** Deletes a secret, after asking. */
export async function deleteSecret(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  await confirm(invocation, `Delete secret ${name}? Its value cannot be read back.`)
  const api = await invocation.connect()
  const { signal } = invocation
  await api.ask({ method: 'DELETE', path: pathOf(name), doing: `delete secret ${name}`, signal })
  invocation.write(`secret/${name} deleted\n`)
}
