import { readJson } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'

type Token = {
  readonly id: string
  readonly state: string
  readonly uses: number
  readonly usesLeft: number
  readonly host?: string
  readonly by: string
  readonly createdAt: string
  readonly expiresAt: string
  /** Only in the answer to its creation. */
  readonly token?: string
}

const path = '/v1/join-tokens'

/** Makes a join token; it alone goes to the output, so that it can be sent to a file. */
export async function createJoinToken(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const uses = given.number('uses') ?? 1
  const expiresMs = given.number('expires')
  const host = given.text('host')
  const body = { uses, ...(expiresMs !== undefined && { expiresMs }), ...(host && { host }) }
  const api = await invocation.connect()
  const doing = 'create a join token'
  const token = readJson(
    await api.ask({ method: 'POST', path, body, doing, signal }),
    doing
  ) as Token
  const raw = await renderRaw(invocation, token)
  invocation.write(raw ?? `${token.token ?? ''}\n`)
  const whom = host === undefined ? `${uses} host${uses === 1 ? '' : 's'}` : `host ${host}`
  invocation.note(
    `token ${token.id} lets ${whom} in until ${token.expiresAt}; it is shown this once\n` +
      'on the new host: remuda-agent join TOKEN\n'
  )
}

/** Lists join tokens. */
export async function listJoinTokens(invocation: Invocation): Promise<void> {
  const api = await invocation.connect()
  const doing = 'list join tokens'
  const { signal } = invocation
  const answer = await api.ask({ method: 'GET', path, doing, signal })
  const list = readJson(answer, doing) as { readonly items: readonly Token[] }
  const raw = await renderRaw(invocation, list)
  if (raw !== undefined) return invocation.write(raw)
  if (invocation.settings.format === 'name') {
    return invocation.write(list.items.map(({ id }) => `${id}\n`).join(''))
  }
  const now = Date.now()
  const rows = list.items.map(token => [
    token.id,
    token.state,
    `${token.usesLeft} of ${token.uses}`,
    token.host ?? 'any',
    token.expiresAt,
    writeAge(token.createdAt, now),
    token.by
  ])
  const head = ['ID', 'STATE', 'USES LEFT', 'HOST', 'EXPIRES', 'AGE', 'BY']
  invocation.write(renderRows(invocation, head, rows))
}

/** Makes a join token worthless. */
export async function revokeJoinToken(invocation: Invocation): Promise<void> {
  const id = invocation.given.positional('ID')!
  const api = await invocation.connect()
  await api.ask({
    method: 'DELETE',
    path: `${path}/${encodeURIComponent(id)}`,
    doing: `revoke join token ${id}`,
    signal: invocation.signal
  })
  invocation.write(`join-token/${id} revoked\n`)
}
