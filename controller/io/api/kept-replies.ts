/** Replies to requests with an Idempotency-Key: the same request again gets the same, once done. */
import { createHash } from 'node:crypto'
import type { Resource } from '#shared/model/index.ts'
import type { KeptReply } from '../../core/commit.ts'
import { HttpFault } from './problem.ts'
import { type Call, header } from './route.ts'
import type { Service } from './service.ts'

const keyCharactersMax = 255

/** Reads the key; undefined: the request has none. */
export function keyOf(call: Call): string | undefined {
  const key = header(call, 'idempotency-key')
  if (key === undefined || (key !== '' && key.length <= keyCharactersMax)) return key
  throw new HttpFault(400, 'invalid', 'cannot use this Idempotency-Key', {
    reasons: [`it has ${key.length} characters, 1 to ${keyCharactersMax} are allowed`]
  })
}

/** What was kept of an earlier request with this key; of another request it is refused. */
export function keptReply(service: Service, call: Call, key: string): KeptReply | undefined {
  const kept = service.reign.view.replies().get(nameOf(call, key))
  if (!kept || kept.bodySha256 === bodyHash(call)) return kept
  throw new HttpFault(422, 'invalid', 'cannot repeat the request: it is another one', {
    reasons: [
      `Idempotency-Key ${key} was used at ${kept.at} with another body, for ${kept.subject}`
    ],
    next: ['use a new key for a new request']
  })
}

/** What is to be kept of a request that is being done. */
export const replyTo = (
  service: Service,
  call: Call,
  resource: Resource,
  status: number
): KeptReply => ({
  key: nameOf(call, keyOf(call) ?? ''),
  bodySha256: bodyHash(call),
  status,
  subject: `${resource.kind} ${resource.id}`,
  at: new Date(service.clock.wall()).toISOString()
})

/** Each caller has keys of its own. */
const nameOf = (call: Call, key: string): string => `${call.caller.name} ${key}`

const bodyHash = (call: Call): string =>
  createHash('sha256')
    .update(`${call.url}\n${JSON.stringify(call.body)}`)
    .digest('hex')
