import { Fault, isFault } from '#shared/fault.ts'
import type { Verdict } from '../core/admission/context.ts'

/** Makes the Fault of a refusal. */
export const faultOf = ({ refused }: Extract<Verdict, { refused: unknown }>): Fault =>
  Object.assign(
    new Fault(refused.code, refused.message, { reasons: refused.reasons, next: refused.next }),
    { errors: refused.errors ?? [] }
  )

/** A failure that is expected; any other one is thrown on. */
export const faultThrown = (thrown: unknown): Fault => {
  if (isFault(thrown)) return thrown
  throw thrown
}
