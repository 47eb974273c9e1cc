import { Fault, isFault } from '#shared/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Moment, View } from '../core/view.ts'

/** Makes the Fault of a refusal. */
export const faultOf = ({ refused }: Refusal): Fault =>
  Object.assign(
    new Fault(refused.code, refused.message, { reasons: refused.reasons, next: refused.next }),
    { errors: refused.errors ?? [] }
  )

/** The same of what a reign has judged: a version that was asked for too early is fetched. */
export function faultIn(reign: { readonly view: View; now(): Moment }, refusal: Refusal): Fault {
  const { seeks: version } = refusal.refused
  const at = reign.now()
  if (version !== undefined) reign.view.fold({ type: 'image-sought', version, at })
  return faultOf(refusal)
}

/** A failure that is expected; any other one is thrown on. */
export const faultThrown = (thrown: unknown): Fault => {
  if (isFault(thrown)) return thrown
  throw thrown
}
