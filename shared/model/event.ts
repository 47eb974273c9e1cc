import Type from 'typebox'
import { type KindDefinition, type Stored, Strict, Timestamp, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/**
 * In rising order of urgency: nothing to do, somebody should look, somebody must act. Those above
 * `notice` count in `/v1/status`.
 */
export const severities = ['notice', 'warning', 'alarm'] as const

/** What happened, in the words of the last time; only the controller writes it. */
export const EventSpec = Strict({
  subject: Type.String({ description: 'What it is about: kind/name, or kind/tenant/name.' }),
  reason: Type.String({ description: 'One word for programs, such as instance-ended.' }),
  message: Type.String({ description: 'The sentence for people, as it was the last time.' }),
  severity: Words(severities, { description: 'How urgent it is.' }),
  source: Type.String({ description: 'Who saw it: controller, or agent/HOST.' })
})
export type EventSpec = DeepReadonly<Type.Static<typeof EventSpec>>

/** How often the same has happened, and when it first and last did. */
export type EventDecided = {
  readonly count: number
  /** RFC 3339. */
  readonly firstAt: string
  readonly lastAt: string
}

/** A notification in the journal: one for each subject and reason, which counts its repetitions. */
export type Event = Stored<'event', EventSpec, EventDecided>

/** What the API shows of `EventDecided`. */
export const EventStatus = Strict({
  count: Type.Integer({ description: 'How often it happened. Unit: count.' }),
  firstAt: Timestamp('When it first happened.'),
  lastAt: Timestamp('When it last happened.')
})

/** Notifications come about and can only be read and deleted. */
export const eventKind: KindDefinition = {
  kind: 'event',
  plural: 'notifications',
  prefix: 'e',
  scope: 'cloud',
  creatable: false,
  doc: 'A notification; one that happens again is counted, not repeated.',
  spec: EventSpec,
  status: EventStatus
}
