/** What it means that a host is lost, in sentences for who is about to say so. */
import type { Host } from '#shared/model/host.ts'
import { splitOf } from './evacuation.ts'
import { listed } from './refusal.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** Names that one sentence holds. */
const namesMax = 12
/** Instances that wait for their host of which each has a sentence. */
const waitingMax = 20

/** Says which instances of a host start elsewhere once it counts as off, and which wait for it. */
export function sentencesOfLoss(view: View, host: Host): readonly string[] {
  const { leaving, staying } = splitOf(view, host)
  if (leaving.length + staying.length === 0) return [`no instance is on ${host.name}`]
  const waiting = staying
    .slice(0, waitingMax)
    .map(({ instance, because }) => `${subjectOf(instance)} waits for its return: ${because}`)
  const more = staying.length - waiting.length
  return [
    ...(leaving.length > 0
      ? [`${leaving.length} start elsewhere: ${listed(leaving.map(subjectOf), namesMax)}`]
      : ['nothing starts elsewhere']),
    ...waiting,
    ...(more > 0 ? [`${more} more wait for its return`] : [])
  ]
}
