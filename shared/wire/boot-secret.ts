/**
 * What lets a host in that has forgotten its key, since it runs from memory alone: a secret made of
 * the cloud's own boot key, the host's UUID and the key that it had before. So it is good for that
 * host alone, and for one boot: once the host is in again with a new key, it is another one.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** The secret of one host; `publicKey`: of its agent, as it was last let in. */
export const bootSecretOf = (bootKey: string, uuid: string, publicKey: string): string =>
  createHmac('sha256', bootKey).update(`of a boot ${uuid} ${publicKey}`).digest('base64url')

/** The secret of machines that nobody knows, where a policy lets them in by themselves. */
export const strangerSecretOf = (bootKey: string, policy: string): string =>
  createHmac('sha256', bootKey).update(`of strangers ${policy}`).digest('base64url')

/** The secret of a machine that an operator has told of before it came. */
export const expectedSecretOf = (bootKey: string, name: string): string =>
  createHmac('sha256', bootKey).update(`expected ${name}`).digest('base64url')

/** What bootds show each other when one fetches a version of the image from another. */
export const peerTokenOf = (bootKey: string): string =>
  createHmac('sha256', bootKey).update('among bootds').digest('base64url')

/** What bootds make the keys of hosts of that serve their image to others. */
export const peersKeyOf = (bootKey: string): string =>
  createHmac('sha256', bootKey).update('of hosts that serve').digest('base64url')

/** The key of one host that serves its image, for one boot: it tells nothing of another's. */
export const peerKeyOf = (peersKey: string, boot: string): string =>
  createHmac('sha256', peersKey).update(`serves in boot ${boot}`).digest('base64url')

/** Who may fetch which version, until when; unit: s since 1970. */
export type TicketContent = {
  readonly version: string
  readonly address: string
  readonly untilS: number
}

/** Lets one address fetch a version from the host that has this key; no one needs to be asked. */
export const ticketOf = (peerKey: string, { version, address, untilS }: TicketContent): string => {
  const text = `fetch ${version} ${address} ${untilS}`
  return `${untilS}.${createHmac('sha256', peerKey).update(text).digest('base64url')}`
}

/** Whether a ticket is one of this key for that version and address, and still good. */
export function isTicket(
  peerKey: string,
  ticket: string,
  asked: Omit<TicketContent, 'untilS'> & { readonly nowS: number }
): boolean {
  const { version, address, nowS } = asked
  const untilS = Number(/^(\d{1,12})\./.exec(ticket)?.[1] ?? 0)
  const wanted = Buffer.from(ticketOf(peerKey, { version, address, untilS }))
  const shown = Buffer.from(ticket)
  return shown.length === wanted.length && timingSafeEqual(shown, wanted) && nowS <= untilS
}

/** A secret as the door compares it: SHA-256, hexadecimal. */
export const secretHashOf = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex')
