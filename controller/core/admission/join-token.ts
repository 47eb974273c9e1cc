/**
 * What a join token is worth. It is judged in the same step that records what it let in: of two
 * hosts that bring the last use of one, the second finds it used up.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { Change, Commit, JoinToken } from '../commit.ts'
import { type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { type Context, decision, isoOf } from './context.ts'

/** How long a token is good for when nobody says. Unit: ms. */
export const joinTokenMsUnsaid: Ms = 3_600_000
/** How long it is good for at most. Unit: ms. */
export const joinTokenMsMax: Ms = 24 * 3_600_000
/** How many hosts one token may let in at most. */
export const joinTokenUsesMax = 10_000
/** Tokens that there may be at once. */
const joinTokensMax = 1_000
/** A token is known for so long after its end, so that its use is told from a stranger's. */
export const joinTokenKeptMs: Ms = 24 * 3_600_000

/** Why a token lets nobody in: words for programs. */
export type TokenObjection =
  | 'token-unknown'
  | 'token-expired'
  | 'token-used-up'
  | 'token-of-another'

/** What a token is worth for a host. */
export type TokenVerdict =
  | { readonly token: JoinToken }
  | { readonly objection: TokenObjection; readonly because: string }

/** Judges the hash of a secret that a host brings. */
export function judgeToken(
  view: View,
  wish: { readonly sha256: string; readonly uuid: string },
  context: Context
): TokenVerdict {
  const token = [...view.joinTokens().values()].find(({ sha256 }) => sha256 === wish.sha256)
  if (!token) return { objection: 'token-unknown', because: 'its token is not known' }
  const { id, usesLeft, uses, expiresAt, host } = token
  const lateMs = context.now.wall - Date.parse(expiresAt)
  if (lateMs >= 0) {
    return {
      objection: 'token-expired',
      because: `its token ${id} expired ${formatMs(lateMs)} ago`
    }
  }
  if (usesLeft === 0) {
    const times = uses === 1 ? 'once' : `${uses} times`
    return {
      objection: 'token-used-up',
      because: `its token ${id} was used ${times} already, as often as it may`
    }
  }
  if (host !== undefined && host !== wish.uuid) {
    return {
      objection: 'token-of-another',
      because: `its token ${id} is for host ${host} alone`
    }
  }
  return { token }
}

/** One use less. */
export const useOf = (token: JoinToken): Change => ({
  op: 'join-token-put',
  token: { ...token, usesLeft: token.usesLeft - 1 }
})

/** Judges the wish for a token whose hash is given; the token itself the core never sees. */
export function createJoinToken(
  view: View,
  wish: {
    readonly sha256: string
    readonly uses: number
    readonly expiresMs: Ms
    readonly host?: string
  },
  context: Context
): { readonly commit: Commit; readonly token: JoinToken } | Refusal {
  const { sha256, uses, expiresMs, host } = wish
  const { size } = view.joinTokens()
  if (size >= joinTokensMax) {
    return refuse('conflict', 'cannot make a join token: there are too many', {
      reasons: [`${size} tokens, at most ${joinTokensMax} may be`],
      next: ['remuda host token list', 'remuda host token revoke ID']
    })
  }
  const token: JoinToken = {
    id: context.newId('jt'),
    sha256,
    uses,
    usesLeft: uses,
    createdAt: isoOf(context),
    expiresAt: new Date(context.now.wall + expiresMs).toISOString(),
    by: context.by,
    ...(host !== undefined && { host })
  }
  const whom = host === undefined ? `${uses} host${uses === 1 ? '' : 's'}` : `host ${host}`
  const because = `lets ${whom} in for ${formatMs(expiresMs)}`
  return { token, commit: commitOf(context, token, { verb: 'created', because }) }
}

/** Judges the wish that a token is good for nothing any more. */
export function revokeJoinToken(view: View, id: string, context: Context): Commit | Refusal {
  const token = view.joinTokens().get(id)
  if (!token) {
    return refuse('not-found', `there is no join token "${id.slice(0, 64)}"`, {
      next: ['remuda host token list']
    })
  }
  const because = `asked to go; ${token.usesLeft} of ${token.uses} uses were left`
  const { decisions } = commitOf(context, token, { verb: 'revoked', because })
  return { changes: [{ op: 'join-token-remove', id }], decisions }
}

const commitOf = (
  context: Context,
  token: JoinToken,
  said: { readonly verb: string; readonly because: string }
): Commit => ({
  changes: [{ op: 'join-token-put', token }],
  decisions: [decision(context, said.verb, said.because, `join-token/${token.id}`)]
})

/** Tokens whose end is so long ago that nobody brings them any more. */
export const staleJoinTokens = (view: View, context: Context): readonly Change[] =>
  [...view.joinTokens().values()]
    .filter(({ expiresAt }) => context.now.wall - Date.parse(expiresAt) >= joinTokenKeptMs)
    .map(({ id }) => ({ op: 'join-token-remove', id }))
