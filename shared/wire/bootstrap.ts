/**
 * The signed list: what a host must know to find its controllers again after everything, also all
 * of them, was off. It names the candidates with their keys, where the ensemble is, and which
 * instances a host may start by itself.
 *
 * It is signed with the cloud's own key, which only candidates can read. So an agent that has
 * pinned the public key at its join takes the list from whoever brings it, a door, a controller or
 * its own disk, and lets in exactly the keys of the newest one: who was taken out of it is out,
 * whatever he says, and an older list changes nothing.
 *
 * What is signed is text: JSON with the fields of each object in the order of their names, after
 * a line that says what it is, so that the signature is good for nothing else.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import Type from 'typebox'
import { Strict } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'

/** No cloud has more candidates. */
export const candidatesMax = 16
/** No cloud has more instances that their hosts start by themselves. */
export const servicesMax = 256
const signedText = 'remuda-bootstrap 1\n'

const Text = (maxLength = 256) => Type.String({ maxLength })
const Key = () => Type.String({ minLength: 40, maxLength: 40 })

/** One who may be controller: how it is reached, and the keys by which it is known. */
export const BootstrapCandidate = Strict({
  name: Text(),
  apiUrl: Text(),
  /** CURVE key with which it dials agents, Z85. */
  meshKey: Key(),
  /** Where hosts may knock; empty: nowhere. */
  doorEndpoint: Text(),
  doorKey: Key()
})

/** What hosts keep for the day on which nobody can be asked. */
export const Bootstrap = Strict({
  cloud: Text(),
  /** Raised by each change: of two lists the one with the higher version holds. */
  version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  candidates: Type.Array(BootstrapCandidate, { maxItems: candidatesMax }),
  /** Servers of the ensemble, host:port; empty: there is none. */
  ensemble: Type.Array(Text(), { maxItems: 16 }),
  /** Instances, by id, that this host, by UUID, may start before any controller is there. */
  services: Type.Array(Strict({ instance: Text(64), host: Text(64) }), { maxItems: servicesMax })
})

/** The list with its signature, as it is kept and sent. */
export const SignedBootstrap = Strict({
  bootstrap: Bootstrap,
  /** Ed25519, base64url. */
  signature: Text(128)
})
export type BootstrapCandidate = DeepReadonly<Type.Static<typeof BootstrapCandidate>>
export type Bootstrap = DeepReadonly<Type.Static<typeof Bootstrap>>
export type SignedBootstrap = DeepReadonly<Type.Static<typeof SignedBootstrap>>

/** The cloud's key pair (Ed25519), each 32 bytes in base64url. */
export type SigningKeys = { readonly publicKey: string; readonly secretKey: string }

/** Makes the key pair of a new cloud. */
export function makeSigningKeys(): SigningKeys {
  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return { publicKey: x!, secretKey: d! }
}

/** The bytes that are signed: the same for two lists that say the same. */
export const canonicalBytes = (bootstrap: Bootstrap): Uint8Array =>
  Buffer.from(signedText + JSON.stringify(inOrder(bootstrap)))

/** Signs a list; the same list and key always give the same signature. */
export function signBootstrap(bootstrap: Bootstrap, keys: SigningKeys): SignedBootstrap {
  const key = { kty: 'OKP', crv: 'Ed25519', x: keys.publicKey, d: keys.secretKey }
  const secret = createPrivateKey({ key, format: 'jwk' })
  const signature = sign(null, canonicalBytes(bootstrap), secret).toString('base64url')
  return { bootstrap, signature }
}

/** Whether a list is signed with the cloud's key. */
export function isSignedBy(publicKey: string, { bootstrap, signature }: SignedBootstrap): boolean {
  try {
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: publicKey },
      format: 'jwk'
    })
    return verify(null, canonicalBytes(bootstrap), key, Buffer.from(signature, 'base64url'))
  } catch {
    return false
  }
}

/** Fields of objects in the order of their names, at every depth; lists stay as they are. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(fields.map(([name, inner]) => [name, inOrder(inner)]))
}
