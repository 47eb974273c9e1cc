import type { Invocation } from '../invocation.ts'
import { createAndWait } from './outcome.ts'

/** Creates a named shape from the options of `size create`. */
export async function createSize(invocation: Invocation): Promise<void> {
  const { number } = invocation.given
  const spec = { vcpus: number('vcpus'), memoryMib: number('memory') }
  await createAndWait(invocation, 'size', spec, { waits: false })
}
