import { patchResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { given as present, referenceTo, tellOutcome } from './outcome.ts'

/**
 * Changes the shape of an instance. A named size takes the place of numbers that were given
 * before, and numbers that are given now stand beside it.
 */
export async function resizeInstance(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const [size, memoryMib, vcpus] = [
    given.text('size'),
    given.number('memory'),
    given.number('vcpus')
  ]
  if (size === undefined && memoryMib === undefined && vcpus === undefined) {
    throw new UsageFault('cannot resize an instance to nothing in particular', {
      next: ['give --memory, --vcpus or --size']
    })
  }
  const reference = referenceTo(invocation, 'instance', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const numbers = present({ memoryMib, vcpus })
  const spec = size === undefined ? numbers : { memoryMib: null, vcpus: null, ...numbers, size }
  const dryRun = given.flag('dry-run')
  const written = await patchResource(api, reference, { spec }, { dryRun, signal })
  await tellOutcome(invocation, written, { reference, verb: 'resized', started, waitMs: undefined })
}
