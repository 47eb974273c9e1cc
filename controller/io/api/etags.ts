/**
 * What a client has read, as one word: `"GENERATION.LABELS.WHOLE"`.
 *
 * If-None-Match asks whether anything looks otherwise, so the whole document counts, its status
 * too. If-Match asks whether the wish is still the one that was read: its generation, and a hash of
 * its labels, which are no part of what is counted. Status may change as often as it likes, and a
 * write still fits. The generation alone, `"GENERATION"`, does for who does not change labels.
 */
import { createHash } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Resource, ResourceDocument } from '#shared/model/index.ts'
import { HttpFault } from './problem.ts'
import { type Call, header } from './route.ts'

const hashOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 12)

/** The ETag of a document as it is sent whole. */
export const etagOf = (document: ResourceDocument): string =>
  `"${document.generation}.${hashOf(document.labels)}.${hashOf(document)}"`

/** Whether an If-None-Match names the ETag; weak ones count as well (RFC 9110, 13.1.2). */
export const isAmong = (etag: string, header: string | undefined): boolean =>
  header?.split(',').some(one => ['*', etag].includes(one.trim().replace(/^W\//, ''))) ?? false

/**
 * Reads If-Match; undefined: any generation. Without the header the write is refused, and where
 * the labels are not those that were read.
 */
export function ifGeneration(call: Call, resource: Resource): number | undefined {
  const text = header(call, 'if-match')
  if (text === undefined) {
    throw new HttpFault(
      428,
      'precondition-required',
      `cannot change ${resource.kind} ${resource.name}: the request does not say what it has read`,
      {
        reasons: [`it is at generation ${resource.generation}`],
        next: [
          `send If-Match: "${resource.generation}"`,
          'or If-Match: * to change it whatever it is'
        ]
      }
    )
  }
  if (text.trim() === '*') return undefined
  const [, generation, labels] = /^\s*"(\d{1,15})(?:\.([\w-]+)\.[\w-]+)?"\s*$/.exec(text) ?? []
  if (generation === undefined) {
    throw new HttpFault(400, 'invalid', `cannot read If-Match: ${text.slice(0, 80)}`, {
      next: [`send If-Match: "${resource.generation}", or *`]
    })
  }
  const fits = labels === undefined || labels === hashOf(resource.labels)
  if (fits || Number(generation) !== resource.generation) return Number(generation)
  throw new Fault('stale', `${resource.kind} ${resource.name} has changed since it was read`, {
    reasons: [`its labels are others now, it is still at generation ${generation}`],
    next: ['read it again and repeat the change']
  })
}
