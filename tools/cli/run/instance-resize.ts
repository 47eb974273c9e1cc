import { isFault } from '#shared/fault.ts'
import { patchResource, type Written } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { type Judge, waitUntil } from './settle.ts'
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
  const heard = await untilHeard(invocation, reference, written)
  await tellOutcome(invocation, heard, { reference, verb: 'resized', started, waitMs: undefined })
}

/** How long the host of a running instance may take to say what the change needs. */
const hearMsMax = 5_000

/** Waits until the host has taken the change in; whether it needs a restart is known only then. */
async function untilHeard(
  invocation: Invocation,
  reference: Reference,
  written: Written
): Promise<Written> {
  if (!written.changed || written.document?.status['phase'] !== 'running') return written
  const judge: Judge = document =>
    document === undefined || (document.observedGeneration ?? 0) >= document.generation
      ? { state: 'there' }
      : { state: 'underway', because: 'its host has not heard of the change yet' }
  try {
    const options = { judge, timeoutMs: hearMsMax, expected: 'known to its host' }
    return { ...written, document: await waitUntil(invocation, reference, options) }
  } catch (error) {
    if (isFault(error, 'deadline')) return written
    throw error
  }
}
