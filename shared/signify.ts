/**
 * Signatures as signify of OpenBSD writes them: a comment that proves nothing, then base64 of the
 * algorithm (Ed, for Ed25519), eight bytes that name the key, and the key or the signature. They
 * are made here by Node alone; what checks them may be signify itself, which is so small that it
 * fits where no Node runs.
 *
 *   public key   "Ed" name[8] key[32]
 *   signature    "Ed" name[8] signature[64]
 *   secret key   "Ed" "BK" rounds[4] salt[16] checksum[8] name[8] seed[32] key[32]
 *
 * Secret keys have no passphrase: rounds and salt are 0. The checksum begins the SHA-512 of what
 * follows the name.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign as signBytes,
  verify as verifyBytes
} from 'node:crypto'
import { Fault } from './fault.ts'
import { createPrivateFile, readPrivateFile } from './private-file.ts'

/** A pair of keys for signing. */
export type SigningKeys = {
  /** Names the pair, in each signature and in both keys. 8 bytes. */
  readonly name: Buffer
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const algorithm = Buffer.from('Ed')
const nameBytes = 8
const keyBytes = 32
const signatureBytes = 64
const nameAt = algorithm.length
const restAt = nameAt + nameBytes
/** Where the name stands in a secret key: behind algorithms, rounds, salt and checksum. */
const secretNameAt = 2 + 2 + 4 + 16 + 8
const secretBytes = secretNameAt + nameBytes + 2 * keyBytes

/** What RFC 8410 puts before the bytes of an Ed25519 key. */
const pkcs8Before = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiBefore = Buffer.from('302a300506032b6570032100', 'hex')

/** Makes a new pair. */
export function makeSigningKeys(): SigningKeys {
  return { name: randomBytes(nameBytes), ...generateKeyPairSync('ed25519') }
}

/**
 * Reads the pair of a private file, or makes one where there is none; whoever comes at the same
 * time gets the same. Faults: `forbidden` when others could read it, `corrupt`.
 */
export async function loadSigningKeys(path: string): Promise<SigningKeys> {
  const stored = await readPrivateFile(path)
  if (stored !== undefined) return parseSecret(stored, path)
  const keys = makeSigningKeys()
  if (await createPrivateFile(path, secretText(keys))) return keys
  return parseSecret((await readPrivateFile(path)) ?? '', path)
}

/** Writes the file of a public key. */
export const publicKeyText = ({ name, publicKey }: SigningKeys): string =>
  written('public key of remuda, for host images', [algorithm, name, rawOf(publicKey)])

/** Signs bytes; the outcome is the content of a signature file. */
export const signatureText = (keys: SigningKeys, signed: Uint8Array): string =>
  written('signature of a remuda host image', [
    ...[algorithm, keys.name, signBytes(undefined, signed, keys.privateKey)]
  ])

/** What is to be checked, and by which key. */
export type SignatureCheck = {
  readonly signed: Uint8Array
  /** Content of the signature file. */
  readonly signature: string
  /** Content of the file of a public key, or its second line alone. */
  readonly publicKey: string
}

/** Says why a signature does not hold; undefined: it does. */
export function signatureProblem(check: SignatureCheck): string | undefined {
  const key = payload(check.publicKey, restAt + keyBytes)
  if (!key) return 'the public key is none of signify'
  const signature = payload(check.signature, restAt + signatureBytes)
  if (!signature) return 'its signature is none of signify'
  const [by, wanted] = [signature, key].map(bytes => bytes.subarray(nameAt, restAt))
  if (!by!.equals(wanted!)) {
    return `it is signed by another key: ${by!.toString('hex')}, not ${wanted!.toString('hex')}`
  }
  const isRight = verifyBytes(
    undefined,
    check.signed,
    publicOf(key.subarray(restAt)),
    signature.subarray(restAt)
  )
  return isRight ? undefined : 'its signature does not fit it: it was changed after it was signed'
}

function secretText({ name, publicKey, privateKey }: SigningKeys): string {
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-keyBytes)
  const both = Buffer.concat([seed, rawOf(publicKey)])
  const checksum = createHash('sha512').update(both).digest().subarray(0, 8)
  const noPassphrase = Buffer.alloc(4 + 16)
  return written('secret key of remuda, for host images', [
    ...[algorithm, Buffer.from('BK'), noPassphrase, checksum, name, both]
  ])
}

function parseSecret(text: string, path: string): SigningKeys {
  const bytes = payload(text, secretBytes)
  if (!bytes) {
    throw new Fault('corrupt', `cannot use ${path}: it holds no secret key of signify`)
  }
  const both = bytes.subarray(secretNameAt + nameBytes)
  const checksum = createHash('sha512').update(both).digest().subarray(0, 8)
  if (!checksum.equals(bytes.subarray(secretNameAt - 8, secretNameAt))) {
    throw new Fault('corrupt', `cannot use ${path}: it is damaged, or has a passphrase`)
  }
  const key = Buffer.concat([pkcs8Before, both.subarray(0, keyBytes)])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  return {
    name: Buffer.from(bytes.subarray(secretNameAt, secretNameAt + nameBytes)),
    publicKey: createPublicKey(privateKey),
    privateKey
  }
}

const rawOf = (publicKey: KeyObject): Buffer =>
  publicKey.export({ format: 'der', type: 'spki' }).subarray(-keyBytes)

const publicOf = (raw: Buffer): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiBefore, raw]), format: 'der', type: 'spki' })

const written = (comment: string, parts: readonly Buffer[]): string =>
  `untrusted comment: ${comment}\n${Buffer.concat(parts).toString('base64')}\n`

/** The bytes of a file, or of its line alone; undefined: they are not those that they must be. */
function payload(text: string, bytes: number): Buffer | undefined {
  const line = text.trim().split('\n').at(-1) ?? ''
  const found = Buffer.from(line, 'base64')
  return found.length === bytes && found.subarray(0, nameAt).equals(algorithm) ? found : undefined
}
