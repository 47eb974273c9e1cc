import { sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { referenceTo, tellOutcome } from './outcome.ts'

/** Lets a host into the cloud. */
export async function approveHost(invocation: Invocation): Promise<void> {
  const reference = referenceTo(invocation, 'host', invocation.given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const written = await sayVerb(api, reference, 'approve', { signal: invocation.signal })
  await tellOutcome(invocation, written, {
    reference,
    verb: 'approved',
    started,
    waitMs: undefined
  })
}
