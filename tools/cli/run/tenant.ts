import type { Invocation } from '../invocation.ts'
import { createAndWait } from './outcome.ts'
import { specOf } from './spec.ts'

/** Creates a tenant from the options of `tenant create`. */
export async function createTenant(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'tenant', specOf(invocation, 'tenant'), { waits: false })
}
