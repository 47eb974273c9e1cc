import { patchResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { createAndWait, referenceTo, tellOutcome } from './outcome.ts'
import { waitMsOf } from './settle.ts'
import { specOf } from './spec.ts'

/** Creates a volume from the options of `volume create`. */
export async function createVolume(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'volume', specOf(invocation, 'volume'))
}

/** Makes a volume larger. */
export async function resizeVolume(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'volume', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const written = await patchResource(
    api,
    reference,
    { spec: specOf(invocation, 'volume') },
    { dryRun: given.flag('dry-run'), signal }
  )
  const waitMs = waitMsOf(invocation)
  await tellOutcome(invocation, written, { reference, verb: 'resized', started, waitMs })
}
