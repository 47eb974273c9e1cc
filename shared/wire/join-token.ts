/**
 * The token that lets a host join, as text to be carried to it by hand. It holds all that an agent
 * needs to trust the cloud, and a secret by which the cloud trusts the agent: where to knock, the
 * keys that must answer there, the cloud's public key, and 24 random bytes. Whoever reads it can
 * join a host; so it is good for a short time and for few hosts.
 */
import Type from 'typebox'
import { Fault } from '../fault.ts'
import { Strict } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'
import { validator } from '../model/validate.ts'
import { candidatesMax } from './bootstrap.ts'

const prefix = 'rmj1_'
/** No token is longer. */
const textMax = 8_192

const DoorAddress = Strict({
  endpoint: Type.String({ pattern: '^tcp://[^\\s/]+:\\d+$', maxLength: 256 }),
  publicKey: Type.String({ minLength: 40, maxLength: 40 })
})

/** What a join token says. */
export const JoinTokenContent = Strict({
  cloud: Type.String({ minLength: 1, maxLength: 256 }),
  cloudKey: Type.String({ minLength: 43, maxLength: 43 }),
  doors: Type.Array(DoorAddress, { minItems: 1, maxItems: candidatesMax }),
  /** What the door is shown. */
  secret: Type.String({ minLength: 16, maxLength: 128 })
})
export type JoinTokenContent = DeepReadonly<Type.Static<typeof JoinTokenContent>>

const check = validator(JoinTokenContent)

/** Writes a token. */
export const writeJoinToken = (content: JoinTokenContent): string =>
  prefix + Buffer.from(JSON.stringify(content)).toString('base64url')

/** Reads a token; Fault `invalid` when it is none, or was cut short on its way. */
export function readJoinToken(text: string): JoinTokenContent {
  const trimmed = text.trim()
  if (!trimmed.startsWith(prefix) || trimmed.length > textMax) {
    throw unreadable(`a join token begins with ${prefix}`)
  }
  const value = parse(Buffer.from(trimmed.slice(prefix.length), 'base64url').toString())
  const [problem] = check(value)
  if (problem === undefined) return value as JoinTokenContent
  throw unreadable('it is not whole: look whether a part was lost when it was copied')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const unreadable = (because: string): Fault =>
  new Fault('invalid', 'cannot read the join token', {
    reasons: [because],
    next: ['make a new one on a machine of the cloud: remuda host token create']
  })
