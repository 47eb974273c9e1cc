import type { Invocation } from '../invocation.ts'
import { createAndWait, given } from './outcome.ts'

/** Creates a pool from the options of `pool create`. */
export async function createPool(invocation: Invocation): Promise<void> {
  const { text, flag } = invocation.given
  const spec = given({
    driver: text('driver'),
    path: text('path'),
    shared: flag('shared') ? true : undefined
  })
  await createAndWait(invocation, 'pool', spec)
}
