import { parseMib } from '#shared/units.ts'
import { patchResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { createAndWait, referenceTo, tellOutcome } from './outcome.ts'
import { specOf } from './spec.ts'

/** Creates a tenant from the options of `tenant create`. */
export async function createTenant(invocation: Invocation): Promise<void> {
  await createAndWait(invocation, 'tenant', specOf(invocation, 'tenant'), { waits: false })
}

/** Changes the wish of a tenant. */
export async function setTenant(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const quota = quotaOf(invocation)
  const said = given.text('description')
  const spec = {
    ...(said !== undefined && { description: said }),
    ...(given.text('preemption') !== undefined && { preemption: given.text('preemption') }),
    ...(Object.keys(quota).length > 0 && { quota })
  }
  if (Object.keys(spec).length === 0) {
    throw new UsageFault('cannot set nothing in particular of a tenant', {
      next: ['give --memory, --vcpus, --disk, --instances, --description or --preemption']
    })
  }
  const reference = referenceTo(invocation, 'tenant', given.positional('NAME')!)
  const started = performance.now()
  const api = await invocation.connect()
  const written = await patchResource(
    api,
    reference,
    { spec },
    { dryRun: given.flag('dry-run'), signal }
  )
  await tellOutcome(invocation, written, { reference, verb: 'set', started, waitMs: undefined })
}

/** null takes a limit away, in a merge patch. */
function quotaOf({ given }: Invocation): Readonly<Record<string, number | null>> {
  const options = [
    ['memory', 'memoryMib', parseMib],
    ['vcpus', 'vcpus', countIn],
    ['disk', 'diskMib', parseMib],
    ['instances', 'instances', countIn]
  ] as const
  return Object.fromEntries(
    options.flatMap(([option, field, read]) => {
      const text = given.text(option)
      return text === undefined ? [] : [[field, text === 'none' ? null : read(text)]]
    })
  )
}

function countIn(text: string): number {
  if (/^\d{1,8}$/.test(text)) return Number(text)
  throw new UsageFault(`cannot read "${text}" as a count`, {
    next: ['write a whole number, or none']
  })
}
