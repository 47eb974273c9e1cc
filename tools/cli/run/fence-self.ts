/** How a host ends what others could start when it is cut off. */
import { patchResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { referenceTo, tellOutcome } from './outcome.ts'

/** Sets the limit, or takes it away. */
export async function setSelfFence(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const [limitMs, isNone] = [given.number('limit'), given.flag('none')]
  if (isNone === (limitMs !== undefined)) {
    throw new UsageFault('cannot tell what is wished: one of --limit and --none is to be given', {
      next: [`remuda host fence self ${reference.name} --limit 20s`]
    })
  }
  const dryRun = given.flag('dry-run')
  const started = performance.now()
  const selfFence = isNone ? null : { limitMs }
  const api = await invocation.connect()
  const written = await patchResource(api, reference, { spec: { selfFence } }, { dryRun, signal })
  await tellOutcome(invocation, written, { reference, verb: 'changed', started, waitMs: undefined })
}
