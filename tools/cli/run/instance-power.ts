import { sayVerb, type Written } from '../api/resources.ts'
import type { Run } from '../command.ts'
import type { Reference } from '../kinds.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { waitMsOf } from './settle.ts'

/** What can be asked of the power of an instance. */
export type PowerVerb = 'start' | 'stop' | 'pause' | 'resume' | 'restart'

const done: Readonly<Record<PowerVerb, string>> = {
  start: 'started',
  stop: 'stopped',
  pause: 'paused',
  resume: 'resumed',
  restart: 'restarted'
}

/** Asks for another power state of instances: says it of all, then waits for each. */
export const changePower =
  (verb: PowerVerb): Run =>
  async invocation => {
    const { given, signal } = invocation
    const names = [...new Set(given.positionals('NAME'))]
    const waitMs = waitMsOf(invocation)
    const started = performance.now()
    const api = await invocation.connect()
    const said: { reference: Reference; written: Written }[] = []
    for (const name of names) {
      const reference = referenceTo(invocation, 'instance', name)
      const written = await sayVerb(api, reference, verb, {
        dryRun: given.flag('dry-run'),
        force: (verb === 'stop' || verb === 'restart') && given.flag('force'),
        signal
      })
      said.push({ reference, written })
    }
    for (const { reference, written } of said) {
      await tellOutcome(invocation, written, { reference, verb: done[verb], started, waitMs })
    }
  }
