import type { Kind } from '#shared/model/index.ts'
import { readResource } from '../api/resources.ts'
import type { Run } from '../command.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import { renderDocument } from '../output/results.ts'
import { showLive } from './live.ts'
import { referenceTo } from './outcome.ts'

/** Shows one resource of a kind. */
export const showKind =
  (kind: Kind): Run =>
  invocation =>
    writeOne(invocation, referenceTo(invocation, kind, invocation.given.positional('NAME')!))

/** Writes one document, once or, with --watch, again and again. */
export async function writeOne(invocation: Invocation, reference: Reference): Promise<void> {
  const api = await invocation.connect()
  await showLive(invocation, {
    query: { subject: writeReference(reference) },
    look: async signal => {
      const document = await readResource(api, reference, signal)
      return renderDocument(invocation, document, Date.now())
    }
  })
}
