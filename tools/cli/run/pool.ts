import type { Invocation } from '../invocation.ts'
import { createAndWait } from './outcome.ts'
import { specOf } from './spec.ts'

/** Creates a pool from the options of `pool create`. */
export async function createPool(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'pool', specOf(invocation, 'pool'))
}
