import type { Event, EventSpec } from '#shared/model/event.ts'
import { born, type Context } from './admission/context.ts'
import { fitName } from './fit-name.ts'
import type { View } from './view.ts'

/** One notification per subject and reason: it counts instead of repeating. */
export function notification(
  view: View,
  seen: Omit<EventSpec, 'source'> & {
    readonly source: string
    /** RFC 3339. */
    readonly at: string
    /** What the same commit has made of it already. */
    readonly before?: Event | undefined
  },
  context: Context
): Event {
  const { at, before: made, ...spec } = seen
  const name = fitName(`${spec.reason}-${spec.subject.replaceAll('/', '-')}`)
  const before = made ?? view.named('event', name)
  if (before) {
    const decided = { ...before.decided, count: before.decided.count + 1, lastAt: at }
    return { ...before, spec, decided, generation: before.generation + 1 }
  }
  const start = born(context, 'event', { name })
  return { ...start, kind: 'event', spec, decided: { count: 1, firstAt: at, lastAt: at } }
}
