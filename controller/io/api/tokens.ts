/** Tokens: random, shown once, kept only as a hash. */
import { createHash, randomBytes } from 'node:crypto'
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import { Name, Strict, Timestamp, Words } from '#shared/model/resource.ts'
import type { StoredToken } from '../../core/commit.ts'
import type { Call, Caller, Reply, Route } from './route.ts'
import type { Service } from './service.ts'

const Role = Words(['admin', 'reader'], { description: 'What it lets one do.' })
const Token = Strict({
  id: Type.String(),
  name: Name('Unique among tokens.'),
  role: Role,
  createdAt: Timestamp('When it was made.')
})
const TokenBody = Strict({ name: Name('Unique among tokens.'), role: Role })

/** Makes a token and what is stored of it. */
export function makeToken(wish: {
  readonly name: string
  readonly role: StoredToken['role']
  readonly createdAt: string
}): { readonly token: string; readonly stored: StoredToken } {
  const token = `rmd_${randomBytes(32).toString('base64url')}`
  return { token, stored: { ...wish, id: newId('tk'), sha256: hashOf(token) } }
}

/**
 * SHA-256, hexadecimal: a token is random and long, so that a slow hash would protect it no better.
 */
export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Says who calls by the token; undefined: nobody that we know. */
export function callerOf(service: Service, authorization: string | undefined): Caller | undefined {
  const match = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')
  if (!match) return undefined
  const hash = hashOf(match[1]!)
  for (const token of service.reign.view.tokens().values()) {
    if (token.sha256 === hash) return { name: token.name, role: token.role }
  }
  return undefined
}

/** A token is shown once, when it is made; the last one with the role admin cannot be deleted. */
export const tokenRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/tokens',
    operation: 'list-tokens',
    summary: 'List tokens, without the tokens themselves.',
    tag: 'tokens',
    role: 'admin',
    replies: { 200: Strict({ kind: Type.Literal('list'), items: Type.Array(Token) }) },
    answer: async () => ({
      body: {
        kind: 'list',
        items: [...service.reign.view.tokens().values()].map(shown)
      }
    })
  },
  {
    method: 'POST',
    path: '/v1/tokens',
    operation: 'create-token',
    summary: 'Make a token; it is shown this once.',
    tag: 'tokens',
    role: 'admin',
    body: TokenBody,
    checked: true,
    replies: { 201: Strict({ ...Token.properties, token: Type.String() }) },
    answer: call => create(service, call)
  },
  {
    method: 'DELETE',
    path: '/v1/tokens/:name',
    operation: 'delete-token',
    summary: 'Revoke a token at once.',
    tag: 'tokens',
    role: 'admin',
    replies: { 204: null },
    answer: call => remove(service, call)
  }
]

const shown = ({ id, name, role, createdAt }: StoredToken) => ({ id, name, role, createdAt })

const named = (service: Service, name: string): StoredToken | undefined =>
  [...service.reign.view.tokens().values()].find(token => token.name === name || token.id === name)

async function create(service: Service, call: Call): Promise<Reply> {
  const { name, role } = call.body as { readonly name: string; readonly role: StoredToken['role'] }
  const other = named(service, name)
  if (other) {
    throw new Fault('conflict', `cannot create token ${name}: the name is taken`, {
      reasons: [`since ${other.createdAt}`],
      next: ['choose another name', `or revoke it: remuda token delete ${name}`]
    })
  }
  const at = new Date(service.clock.wall()).toISOString()
  const { token, stored } = makeToken({ name, role, createdAt: at })
  const because = `asked for: role ${role}`
  const decision = { at, by: `user/${call.caller.name}`, verb: 'created', because }
  await service.reign.record({
    changes: [{ op: 'token-put', token: stored }],
    decisions: [{ ...decision, subjects: [`token/${name}`] }]
  })
  return { status: 201, body: { ...shown(stored), token } }
}

async function remove(service: Service, call: Call): Promise<Reply> {
  const name = call.params['name'] ?? ''
  const token = named(service, name)
  if (!token) {
    throw new Fault('not-found', `there is no token "${name}"`, { next: ['remuda token list'] })
  }
  const tokens = [...service.reign.view.tokens().values()]
  if (token.role === 'admin' && tokens.filter(({ role }) => role === 'admin').length === 1) {
    throw new Fault('conflict', `cannot delete token ${name}: it is the last admin token`, {
      next: ['make another one first: remuda token create NAME --role admin']
    })
  }
  const at = new Date(service.clock.wall()).toISOString()
  const decision = { at, by: `user/${call.caller.name}`, verb: 'revoked', because: 'asked to go' }
  await service.reign.record({
    changes: [{ op: 'token-remove', id: token.id }],
    decisions: [{ ...decision, subjects: [`token/${token.name}`] }]
  })
  return { status: 204 }
}
