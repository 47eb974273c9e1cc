import { sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { confirmName } from './ask.ts'
import { referenceTo, tellOutcome } from './outcome.ts'

/** Gives the word that a host is off, after saying what comes of it. */
export async function confirmOff(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const dryRun = given.flag('dry-run')
  const verb = 'confirm-off'
  if (!dryRun && !given.flag('yes')) {
    const { dryRun: foretold } = await sayVerb(api, reference, verb, { dryRun: true, signal })
    const loss = (foretold?.decision?.because ?? []).slice(1)
    invocation.note(loss.map(sentence => `${sentence}\n`).join(''))
    const question =
      `Is ${reference.name} really off? If it runs, its instances run twice and destroy each ` +
      "other's volumes."
    await confirmName(invocation, { question, name: reference.name })
  }
  const written = await sayVerb(api, reference, verb, { dryRun, signal })
  const told = { reference, verb: 'taken for off', started, waitMs: undefined }
  await tellOutcome(invocation, written, told)
}
