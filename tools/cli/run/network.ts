import { createResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { createAndWait, referenceTo, tellOutcome } from './outcome.ts'
import { specOf } from './spec.ts'

/** Creates a network and, where an address range is given, a subnet of the same name. */
export async function createNetwork(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const { text, flag } = given
  const cidr = text('cidr')
  if (cidr === undefined && (text('gateway') !== undefined || given.texts('dns').length > 0)) {
    throw new UsageFault('cannot give a gateway or name servers to a network without a range', {
      next: ['give --cidr too']
    })
  }
  const spec = specOf(invocation, 'network')
  await createAndWait(invocation, 'network', spec, { waits: false })
  if (cidr === undefined) {
    invocation.note('note: it has no addresses yet: remuda subnet create --help\n')
    return
  }
  const reference = referenceTo(invocation, 'subnet', given.positional('NAME')!)
  if (flag('dry-run')) {
    invocation.note(`${reference.kind}/${reference.name} would be created on it\n`)
    return
  }
  const started = performance.now()
  const api = await invocation.connect()
  const wish = { spec: { network: reference.name, ...specOf(invocation, 'subnet') } }
  const written = await createResource(api, reference, wish, { signal })
  await tellOutcome(invocation, written, {
    reference,
    verb: 'created',
    started,
    waitMs: undefined
  })
}

/** Creates a subnet from the options of `subnet create`. */
export async function createSubnet(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'subnet', specOf(invocation, 'subnet'))
}
