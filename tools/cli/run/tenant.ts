import type { Invocation } from '../invocation.ts'
import { createAndWait, given } from './outcome.ts'

/** Creates a tenant from the options of `tenant create`. */
export async function createTenant(invocation: Invocation): Promise<void> {
  const spec = given({ description: invocation.given.text('description') })
  await createAndWait(invocation, 'tenant', spec, { waits: false })
}
