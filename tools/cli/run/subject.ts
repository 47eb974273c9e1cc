import { isFault } from '#shared/fault.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { type KindWords, type Reference, readKind, readReference } from '../kinds.ts'

/** Reads KIND/NAME or KIND/TENANT/NAME, in the tenant of the command where it names none. */
export function readSubject(invocation: Invocation, text: string): Reference {
  const { tenant, tenantNamed } = invocation.settings
  const reference = readOrComplain(text)
  if (reference.tenant === undefined) {
    return { ...reference, ...(tenant === undefined ? {} : { tenant }) }
  }
  if (tenantNamed && tenant !== reference.tenant) {
    throw new UsageFault(`cannot look for ${text} in tenant ${tenant}`, {
      next: ['leave out --tenant, or the tenant in the name']
    })
  }
  return reference
}

/** Reads the kind in an argument of the command line. */
export const readKindOfUser = (text: string): KindWords => orComplain(() => readKind(text))

const readOrComplain = (text: string): Reference => orComplain(() => readReference(text))

/** What cannot be read was typed wrongly. */
function orComplain<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (!isFault(error)) throw error
    throw new UsageFault(error.message, { reasons: error.reasons, next: error.next })
  }
}
