import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { confirm } from './ask.ts'

type Token = {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly createdAt?: string
  /** Only in the answer to its creation. */
  readonly token?: string
}

/**
 * Makes a token; it alone goes to the output, so that it can be sent to a file. Said once and never
 * again: the controller could not repeat an answer that it has not kept.
 */
export async function createToken(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  const role = invocation.given.text('role') ?? 'reader'
  const api = await invocation.connect()
  const doing = `create token ${name}`
  const answer = await api.ask({
    method: 'POST',
    path: '/v1/tokens',
    body: { name, role },
    doing,
    signal: invocation.signal
  })
  const token = readJson(answer, doing) as Token
  const raw = await renderRaw(invocation, token)
  invocation.write(raw ?? `${token.token ?? ''}\n`)
  invocation.note(`token ${name} (${role}) created; it is shown this once\n`)
}

/** Lists tokens: their names and roles. */
export async function listTokens(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'list tokens'
  const { signal } = invocation
  const answer = await api.ask({ method: 'GET', path: '/v1/tokens', doing, signal })
  const list = readJson(answer, doing) as { readonly items: readonly Token[] }
  const raw = await renderRaw(invocation, list)
  if (raw !== undefined) return invocation.write(raw)
  if (invocation.settings.format === 'name') {
    return invocation.write(list.items.map(({ name }) => `token/${name}\n`).join(''))
  }
  const now = Date.now()
  const rows = list.items.map(token => [
    token.name,
    token.role,
    token.createdAt === undefined ? '' : writeAge(token.createdAt, now),
    token.id
  ])
  invocation.write(renderRows(invocation, ['NAME', 'ROLE', 'AGE', 'ID'], rows))
}

/** Makes a token worthless, after asking. */
export async function deleteToken(invocation: Invocation): Promise<void> {
  const name = invocation.given.positional('NAME')!
  await confirm(invocation, `Delete token ${name}? Whoever uses it is locked out at once.`)
  const api = await invocation.connect()
  await api.ask({
    method: 'DELETE',
    path: `/v1/tokens/${encodeURIComponent(name)}`,
    headers: { 'if-match': '*' },
    doing: `delete token ${name}`,
    signal: invocation.signal
  })
  invocation.write(`token/${name} deleted\n`)
}
