import Type from 'typebox'
import { type KindDefinition, type Stored, Strict, Timestamp, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** What the controller does, and to which resource. */
export const JobSpec = Strict({
  verb: Type.String({ description: 'What is done: import, delete …' }),
  subject: Type.String({ description: 'What it is done to: kind/name or kind/tenant/name.' })
})
export type JobSpec = DeepReadonly<Type.Static<typeof JobSpec>>

/** How far the work is, and how it ended. */
export type JobDecided = {
  readonly phase: 'running' | 'done' | 'failed'
  readonly percent: number
  readonly message: string
  /** RFC 3339. */
  readonly endedAt?: string
}

/** Long work in the journal; it is the controller's own, never an agent's. */
export type Job = Stored<'job', JobSpec, JobDecided>

/** What the API shows of `JobDecided`. */
export const JobStatus = Strict({
  phase: Words(['running', 'done', 'failed'], { description: 'Where it stands now.' }),
  percent: Type.Integer({ minimum: 0, maximum: 100, description: 'How far it is. Unit: percent.' }),
  message: Type.String({ description: 'What it is doing, or how it ended.' }),
  endedAt: Type.Optional(Timestamp('When it ended.'))
})

/** Jobs come about when work is asked for that takes long; nobody creates them. */
export const jobKind: KindDefinition = {
  kind: 'job',
  plural: 'jobs',
  prefix: 'j',
  scope: 'cloud',
  creatable: false,
  doc: 'Long work that the controller does itself, such as fetching an image.',
  spec: JobSpec,
  status: JobStatus
}
