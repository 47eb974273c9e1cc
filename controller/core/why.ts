import type { Condition, Resource } from '#shared/model/index.ts'
import { placeInstance } from './admission/instance-place.ts'
import { documentOf } from './documents.ts'
import type { Recorded } from './histories.ts'
import { isRefusal } from './refusal.ts'
import { subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** What `remuda why` shows of a resource. */
export type Why = {
  readonly subject: string
  /** The story in sentences: how it stands, why, and what led to it. */
  readonly summary: readonly string[]
  readonly conditions: readonly Condition[]
  readonly placement?: {
    readonly chosen?: string
    readonly rejected: readonly { readonly host: string; readonly because: string }[]
  }
  readonly history: readonly Recorded[]
}

/** Sentences of the history that the summary repeats. */
const lastMax = 3

/** Explains how a resource stands and what led to it. */
export function whyOf(view: View, resource: Resource, now: Moment): Why {
  const document = documentOf(view, resource, now)
  const subject = subjectOf(resource)
  const history = view.history(subject)
  const phase = document.status['phase']
  const first = phase === undefined ? `${subject} is there` : `${subject} is ${String(phase)}`
  return {
    subject,
    summary: [
      first,
      ...document.conditions.map(({ type, status, message }) => `${type}: ${status}, ${message}`),
      ...history.slice(-lastMax).map(({ at, verb, because }) => `${at} ${verb}: ${because}`)
    ],
    conditions: document.conditions,
    ...(resource.kind === 'instance' && { placement: placementOf(view, resource, now) }),
    history
  }
}

/** Where it is, or why it is nowhere. */
function placementOf(
  view: View,
  instance: Extract<Resource, { kind: 'instance' }>,
  now: Moment
): NonNullable<Why['placement']> {
  const { host } = instance.decided
  if (host !== undefined) return { chosen: host, rejected: [] }
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  const placement = placeInstance(view, { instance, volumes }, now)
  if (isRefusal(placement)) {
    const split = (reason: string) => {
      const colon = reason.indexOf(': ')
      return { host: reason.slice(0, colon), because: reason.slice(colon + 2) }
    }
    return { rejected: placement.refused.reasons.map(split) }
  }
  return { rejected: [...placement.rejected].map(([name, because]) => ({ host: name, because })) }
}
