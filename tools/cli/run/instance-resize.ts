import { patchResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { specOf } from './spec.ts'

/**
 * Changes the shape of an instance. A named size takes the place of numbers that were given
 * before, and numbers that are given now stand beside it.
 */
export async function resizeInstance(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const numbers = specOf(invocation, 'instance')
  if (Object.keys(numbers).length === 0) {
    throw new UsageFault('cannot resize an instance to nothing in particular', {
      next: ['give --memory, --vcpus or --size']
    })
  }
  const reference = referenceTo(invocation, 'instance', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const spec =
    numbers['size'] === undefined ? numbers : { memoryMib: null, vcpus: null, ...numbers }
  const dryRun = given.flag('dry-run')
  const written = await patchResource(api, reference, { spec }, { dryRun, signal })
  await tellOutcome(invocation, written, { reference, verb: 'resized', started, waitMs: undefined })
}
