import Type from 'typebox'
import { type KindDefinition, type Stored, Strict, Timestamp, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

export const severities = ['notice', 'warning', 'alarm'] as const
export type Severity = (typeof severities)[number]

export const EventSpec = Strict({
  subject: Type.String({ description: 'What it is about: kind/name, or kind/tenant/name.' }),
  reason: Type.String({ description: 'One word for programs, such as instance-ended.' }),
  message: Type.String({ description: 'The sentence for people, as it was the last time.' }),
  severity: Words(severities, { description: 'How urgent it is.' }),
  source: Type.String({ description: 'Who saw it: controller, or agent/HOST.' })
})
export type EventSpec = DeepReadonly<Type.Static<typeof EventSpec>>
export type EventDecided = {
  readonly count: number
  /** RFC 3339. */
  readonly firstAt: string
  readonly lastAt: string
}
export type Event = Stored<'event', EventSpec, EventDecided>

export const EventStatus = Strict({
  count: Type.Integer({ description: 'How often it happened. Unit: count.' }),
  firstAt: Timestamp('When it first happened.'),
  lastAt: Timestamp('When it last happened.')
})

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
