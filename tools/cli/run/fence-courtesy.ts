/** How a host is asked to power off while its power is cut. */
import { Fault } from '#shared/fault.ts'
import { patchResource } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { referenceTo, tellOutcome } from './outcome.ts'

/** Sets it, or takes it away. */
export async function setCourtesy(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'host', given.positional('NAME')!)
  const dryRun = given.flag('dry-run')
  const started = performance.now()
  const courtesy = given.flag('none') ? null : courtesyOf(invocation)
  const api = await invocation.connect()
  const written = await patchResource(api, reference, { spec: { courtesy } }, { dryRun, signal })
  await tellOutcome(invocation, written, { reference, verb: 'changed', started, waitMs: undefined })
}

function courtesyOf({ given }: Invocation): Readonly<Record<string, unknown>> {
  const wanted = { ssh: given.text('ssh'), secret: given.text('secret') }
  const hostKey = given.text('host-key')
  const all = { ...wanted, 'host-key': hostKey }
  const missing = Object.entries(all).flatMap(([name, value]) => (value ? [] : [`--${name}`]))
  if (missing.length > 0) {
    const reasons = [`${missing.join(', ')} must be given`]
    const next = [
      ...(hostKey ? [] : [`ssh-keyscan ${wanted.ssh ?? 'ADDRESS'} | ssh-keygen -lf -`]),
      'remuda host fence courtesy --help'
    ]
    throw new Fault('invalid', 'cannot set how the host is asked to power off', { reasons, next })
  }
  const command = given.text('command')
  return {
    ...{ address: wanted.ssh, secret: wanted.secret, hostKey },
    ...{ port: given.number('port'), user: given.text('user') },
    ...(command !== undefined && { command })
  }
}
