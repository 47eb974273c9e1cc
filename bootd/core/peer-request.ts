/**
 * What a host that serves its image answers, by method and path alone: the root of the version that
 * it runs, to whoever has a ticket of bootd's for it. Anybody may ask.
 */
import { isTicket } from '#shared/wire/boot-secret.ts'

/** What is asked, and by whom. */
export type PeerAsked = {
  readonly method: string
  readonly path: string
  /** Address of who asks. */
  readonly address: string
}

/** What the host serves, and what it knows tickets by. */
export type PeerOwn = {
  readonly version: string
  readonly key: string
  /** Seconds since 1970. */
  readonly nowS: number
}

/** Says what is wrong with a request; undefined: the file may be sent. */
export function refusePeer(
  { method, path, address }: PeerAsked,
  { version, key, nowS }: PeerOwn
): { readonly status: 403 | 404 | 405; readonly because: string } | undefined {
  const [, asked, ticket] = pattern.exec(path) ?? []
  if (asked !== version) return { status: 404, because: 'there is nothing there' }
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, because: `${method.slice(0, 16)} is not for that` }
  }
  if (ticket !== undefined && isTicket(key, ticket, { version, address, nowS })) return undefined
  return { status: 403, because: 'the ticket is not one for this' }
}

const pattern =
  /^\/images\/([0-9a-f]{16})\/root\.squashfs(?:\?token=(\d{1,12}\.[A-Za-z0-9_-]{43}))?$/
