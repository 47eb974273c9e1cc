/**
 * Who may hold a lock that keeps an instance from starting. Neither QEMU nor virtlockd says whose
 * it is; but hosts say what they have, and its history where it was before.
 */
import type { Instance } from '#shared/model/instance.ts'
import { listed } from './refusal.ts'
import { reportedIn } from './reported.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** By this reason a host says that a lock keeps it from starting one. */
export const lockedReason = 'volume-locked'

/** The words to follow what the lock has said. */
export function lockHolderWords(view: View, instance: Instance): string {
  const own = instance.decided.host
  const holders = [...view.all('host').values()].flatMap(({ name }) => {
    const { report } = view.heard(name)
    const seen = name === own ? undefined : reportedIn(report?.instances ?? [], instance.id)
    return seen ? [`${name} still has it, ${seen.power}`] : []
  })
  if (holders.length > 0) return `; ${listed(holders)}`
  const left = view.history(subjectOf(instance)).findLast(({ verb }) => verb === 'evacuated')
  const none = '; no other host that is heard has it, and the lock does not say who holds it'
  return left ? `${none}; it was moved away because ${left.because}` : none
}
