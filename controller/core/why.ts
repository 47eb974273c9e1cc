import type { Condition, Resource } from '#shared/model/index.ts'
import { documentOf } from './documents.ts'
import type { Recorded } from './histories.ts'
import { type Explained, explainPlacement } from './placement/explain.ts'
import { subjectOf } from './subject.ts'
import type { Moment, View } from './view.ts'

/** What `remuda why` shows of a resource. */
export type Why = {
  readonly subject: string
  /** The story in sentences: how it stands, why, and what led to it. */
  readonly summary: readonly string[]
  readonly conditions: readonly Condition[]
  readonly placement?: { readonly chosen?: string } & Explained
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

/** Where it is and why, and why not elsewhere; or why it is nowhere. */
function placementOf(
  view: View,
  instance: Extract<Resource, { kind: 'instance' }>,
  now: Moment
): NonNullable<Why['placement']> {
  const { host } = instance.decided
  return { ...(host !== undefined && { chosen: host }), ...explainPlacement(view, instance, now) }
}
