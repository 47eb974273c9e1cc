/**
 * What lets a host in that has forgotten its key, since it runs from memory alone: a secret made of
 * the cloud's own boot key, the host's UUID and the key that it had before. So it is good for that
 * host alone, and for one boot: once the host is in again with a new key, it is another one.
 */
import { createHash, createHmac } from 'node:crypto'

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

/** A secret as the door compares it: SHA-256, hexadecimal. */
export const secretHashOf = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex')
