import { patchResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { createAndWait, referenceTo, tellOutcome } from './outcome.ts'
import { type Judge, judgeReady, waitMsOf } from './settle.ts'
import { specOf } from './spec.ts'

/** Creates a volume from the options of `volume create`. */
export async function createVolume(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'volume', specOf(invocation, 'volume'))
}

/** Makes a volume larger. */
export async function resizeVolume(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'volume', given.positional('NAME')!)
  const waitMs = waitMsOf(invocation)
  const started = performance.now()
  const api = await invocation.connect()
  const written = await patchResource(
    api,
    reference,
    { spec: specOf(invocation, 'volume') },
    { dryRun: given.flag('dry-run'), signal }
  )
  const outcome = { reference, verb: 'resized', started, waitMs, judge: judgeResized }
  await tellOutcome(invocation, written, outcome)
}

/** A volume in use grows with the next start of its instance, for which nobody need wait here. */
const judgeResized: Judge = document => {
  const ready = document?.conditions.find(({ type }) => type === 'ready')
  const isHeld = document?.status['phase'] === 'ready' && ready?.reason === 'ready'
  return isHeld ? { state: 'there' } : judgeReady(document)
}
