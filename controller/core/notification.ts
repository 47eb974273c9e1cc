import type { Event, EventSpec } from '#shared/model/event.ts'
import { born, type Context } from './admission/context.ts'
import { fitName } from './fit-name.ts'
import type { View } from './view.ts'

/** Notifications that are kept; of more the stalest are let go. */
export const eventsMax = 2_000

/** What tells one notification from others, beside whom it is about. */
type Kept = Pick<EventSpec, 'reason' | 'subject'> & {
  /** Which of those that share a subject, such as a machine that is no host; left out: all. */
  readonly of?: string | undefined
}

/** The name under which a notification is kept. */
export const notificationName = ({ reason, subject, of }: Kept): string =>
  fitName(`${reason}-${subject.replaceAll('/', '-')}${of === undefined ? '' : ` of ${of}`}`)

/** One notification per subject and reason: it counts instead of repeating. */
export function notification(
  view: View,
  seen: EventSpec & {
    readonly of?: string | undefined
    /** RFC 3339. */
    readonly at: string
    /** What the same commit has made of it already. */
    readonly before?: Event | undefined
  },
  context: Context
): Event {
  const { at, of, before: made, ...spec } = seen
  const name = notificationName({ ...spec, of })
  const before = made ?? view.named('event', name)
  if (before) {
    const decided = { ...before.decided, count: before.decided.count + 1, lastAt: at }
    return { ...before, spec, decided, generation: before.generation + 1 }
  }
  const start = born(context, 'event', { name })
  return { ...start, kind: 'event', spec, decided: { count: 1, firstAt: at, lastAt: at } }
}
