/** A change of a host that people are told of: the host, a notification, and a decision. */
import type { Host } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Change, Commit } from './commit.ts'
import { notification } from './notification.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** What people are told. */
export type HostWords = {
  readonly verb: string
  readonly message: string
  readonly severity: 'notice' | 'warning' | 'alarm'
}

/** Makes the commit: the host as it is to be, and what is said of it. */
export function hostChange(view: View, host: Host, context: Context, words: HostWords): Commit {
  const { verb, message, severity } = words
  const subject = subjectOf(host)
  const seen = { subject, reason: verb, message, severity, source: 'controller' }
  const event = notification(view, { ...seen, at: isoOf(context) }, context)
  return {
    changes: [host, event].map((resource: Resource): Change => ({ op: 'put', resource })),
    decisions: [decision(context, verb, message, subject)]
  }
}
