/**
 * CURVE keys. Each program that takes part in the mesh has one pair, made at its first start and
 * kept in a private file. Whoever has the secret key is that host, or that controller.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Fault } from '../fault.ts'
import { createPrivateFile, readPrivateFile } from '../private-file.ts'
import { fromZ85, isKey, toZ85 } from './z85.ts'

/** A pair of CURVE keys (Curve25519), each 40 characters of Z85. */
export type CurveKeys = { readonly publicKey: string; readonly secretKey: string }

/**
 * Reads the keys of this program, or makes them when there is no file. Fault `forbidden` when
 * others could read the file, `corrupt` when it holds no keys. Programs that start at once get the
 * same.
 */
export async function loadKeys(path: string): Promise<CurveKeys> {
  const stored = await readPrivateFile(path)
  if (stored !== undefined) return parse(path, stored)
  const keys = makeKeys()
  if (await createPrivateFile(path, `${JSON.stringify(keys)}\n`)) return keys
  return parse(path, (await readPrivateFile(path)) ?? '')
}

/** Makes a new pair. */
export function makeKeys(): CurveKeys {
  const { privateKey } = generateKeyPairSync('x25519')
  return pairOf(privateKey)
}

function parse(path: string, text: string): CurveKeys {
  const { publicKey, secretKey } = fieldsOf(text)
  if (!isKey(publicKey) || !isKey(secretKey)) throw corrupt(path, 'it does not hold two CURVE keys')
  if (publicKeyOf(secretKey) !== publicKey)
    throw corrupt(path, 'its two keys do not fit each other')
  return { publicKey, secretKey }
}

function fieldsOf(text: string): CurveKeys {
  try {
    const value = JSON.parse(text) as Partial<CurveKeys> | null
    return { publicKey: String(value?.publicKey), secretKey: String(value?.secretKey) }
  } catch {
    return { publicKey: '', secretKey: '' }
  }
}

/** The public key that belongs to a secret one. */
export function publicKeyOf(secretKey: string): string {
  const key = Buffer.concat([pkcs8Before, fromZ85(secretKey)])
  return pairOf(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).publicKey
}

/** What PKCS #8 (RFC 8410) puts before the 32 bytes of a secret X25519 key. */
const pkcs8Before = Buffer.from('302e020100300506032b656e04220420', 'hex')
const keyBytes = 32

/** In DER both keys are the last 32 bytes. */
function pairOf(privateKey: KeyObject): CurveKeys {
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' })
  const open = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: toZ85(open.subarray(-keyBytes)),
    secretKey: toZ85(secret.subarray(-keyBytes))
  }
}

const corrupt = (path: string, because: string): Fault =>
  new Fault('corrupt', `cannot use the keys in ${path}: ${because}`, {
    next: ['put the file back from a backup; or remove it, and the host has to join anew']
  })
