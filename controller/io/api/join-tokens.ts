/** Join tokens: made for a while and for so many hosts, shown once, kept only as a hash. */
import { randomBytes } from 'node:crypto'
import Type from 'typebox'
import { Fault } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import { Strict, Timestamp, Words } from '#shared/model/resource.ts'
import { writeJoinToken } from '#shared/wire/join-token.ts'
import {
  createJoinToken,
  joinTokenMsMax,
  joinTokenMsUnsaid,
  joinTokenUsesMax,
  revokeJoinToken
} from '../../core/admission/join-token.ts'
import type { JoinToken } from '../../core/commit.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import type { Call, Reply, Route } from './route.ts'
import type { Service } from './service.ts'
import { hashOf } from './tokens.ts'

const hostPattern = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
const Host = Type.String({ pattern: hostPattern, description: 'UUID of the only host it is for.' })

const Token = Strict({
  id: Type.String(),
  state: Words(['valid', 'expired', 'used-up'], { description: 'Whether it lets anybody in.' }),
  uses: Type.Integer({ description: 'Hosts that it may let in. Unit: count.' }),
  usesLeft: Type.Integer({ description: 'Hosts that it still may let in. Unit: count.' }),
  host: Type.Optional(Host),
  by: Type.String({ description: 'Who made it.' }),
  createdAt: Timestamp('When it was made.'),
  expiresAt: Timestamp('When it ends.')
})

const TokenBody = Strict({
  uses: Type.Integer({
    minimum: 1,
    maximum: joinTokenUsesMax,
    default: 1,
    description: 'Hosts that it may let in. Unit: count.'
  }),
  expiresMs: Type.Integer({
    minimum: 1_000,
    maximum: joinTokenMsMax,
    default: joinTokenMsUnsaid,
    description: 'How long it is good for. Unit: ms.'
  }),
  host: Type.Optional(Host)
})

/** A join token is shown once, when it is made. */
export const joinTokenRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/join-tokens',
    operation: 'list-join-tokens',
    summary: 'List join tokens, without the tokens themselves.',
    tag: 'hosts',
    role: 'admin',
    replies: { 200: Strict({ kind: Type.Literal('list'), items: Type.Array(Token) }) },
    answer: async () => {
      const all = [...service.reign.view.joinTokens().values()]
      return { body: { kind: 'list', items: all.map(token => shown(service, token)) } }
    }
  },
  {
    method: 'POST',
    path: '/v1/join-tokens',
    operation: 'create-join-token',
    summary: 'Make a token by which hosts join; it is shown this once.',
    tag: 'hosts',
    role: 'admin',
    body: TokenBody,
    checked: true,
    replies: { 201: Strict({ ...Token.properties, token: Type.String() }) },
    answer: call => create(service, call)
  },
  {
    method: 'DELETE',
    path: '/v1/join-tokens/:name',
    operation: 'revoke-join-token',
    summary: 'Revoke a join token at once; hosts that it let in stay.',
    tag: 'hosts',
    role: 'admin',
    replies: { 204: null },
    answer: call => revoke(service, call)
  }
]

function shown(service: Service, token: JoinToken) {
  const { id, uses, usesLeft, host, by, createdAt, expiresAt } = token
  const isOver = service.clock.wall() >= Date.parse(expiresAt)
  const state = usesLeft === 0 ? 'used-up' : isOver ? 'expired' : 'valid'
  return { id, state, uses, usesLeft, ...(host && { host }), by, createdAt, expiresAt }
}

async function create(service: Service, call: Call): Promise<Reply> {
  const { reign } = service
  const { id: cloud, signing, bootstrap } = reign.view.cloud ?? {}
  const doors = (bootstrap?.bootstrap.candidates ?? [])
    .filter(({ doorEndpoint }) => doorEndpoint !== '')
    .map(({ doorEndpoint, doorKey }) => ({ endpoint: doorEndpoint, publicKey: doorKey }))
  if (cloud === undefined || !signing || doors.length === 0) {
    throw new Fault('unavailable', 'cannot make a join token: no door is known yet', {
      next: ['remuda cluster candidate list', 'try again in a moment']
    })
  }
  const wish = call.body as Parameters<typeof createJoinToken>[1]
  const secret = randomBytes(24).toString('base64url')
  const context = { by: `user/${call.caller.name}`, now: reign.now(), newId }
  const made = createJoinToken(reign.view, { ...wish, sha256: hashOf(secret) }, context)
  if (isRefusal(made)) throw faultOf(made)
  await reign.record(made.commit)
  const token = writeJoinToken({ cloud, cloudKey: signing.publicKey, doors, secret })
  return { status: 201, body: { ...shown(service, made.token), token } }
}

async function revoke(service: Service, call: Call): Promise<Reply> {
  const { reign } = service
  const context = { by: `user/${call.caller.name}`, now: reign.now(), newId }
  const commit = revokeJoinToken(reign.view, call.params['name'] ?? '', context)
  if (isRefusal(commit)) throw faultOf(commit)
  await reign.record(commit)
  return { status: 204 }
}
