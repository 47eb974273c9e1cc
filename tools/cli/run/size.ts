import type { Invocation } from '../invocation.ts'
import { createAndWait } from './outcome.ts'
import { specOf } from './spec.ts'

/** Creates a named shape from the options of `size create`. */
export async function createSize(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'size', specOf(invocation, 'size'), { waits: false })
}
