/**
 * What is to be recorded of instances that start one after the other: that one waits too long, or
 * goes on without one that is not ready, each told once; and that one has phoned home, since it
 * does so once, and another agent may have to know.
 */
import type { Resource } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Change, Commit } from './commit.ts'
import { notReadyWords } from './instance-state.ts'
import { notification } from './notification.ts'
import { reportedIn } from './reported.ts'
import {
  type Before,
  beforeOf,
  isHeld,
  isStarted,
  isWanted,
  lateMsDefault,
  waitedWords
} from './start-order.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** Decides what is told of starts that wait, and what is kept of calls home. */
export function* startNews(view: View, context: Context): Iterable<Commit> {
  yield* callsHome(view, context)
  for (const id of [...view.indexes.afterOthers]) {
    const instance = view.get('instance', id)
    if (!instance || !isWanted(instance) || isStarted(view, instance, context.now)) continue
    const commit = newsOf(view, instance, context)
    if (commit) yield commit
  }
}

function newsOf(view: View, instance: Instance, context: Context): Commit | undefined {
  const before = beforeOf(view, instance, context.now)
  const late = before.filter(one => one.stands === 'waits' && isTooLong(view, one))
  const over = before.filter(one => one.stands === 'over')
  if (late.length > 0) return tell(view, instance, { verb: 'start-waits', some: late }, context)
  if (over.length === 0 || isHeld(view, instance, context.now)) return undefined
  return tell(view, instance, { verb: 'start-goes-on', some: over }, context)
}

/** Of one that runs and is late its own host has told already. */
function isTooLong(view: View, { instance, waitedMs }: Before): boolean {
  if (!instance) return false
  const { host } = instance.decided
  const { report } = view.heard(host ?? '')
  const isTold = report && reportedIn(report.instances, instance.id)?.ready === 'late'
  return !isTold && waitedMs >= (instance.spec.readiness?.timeoutMs ?? lateMsDefault)
}

function tell(
  view: View,
  instance: Instance,
  given: { readonly verb: 'start-waits' | 'start-goes-on'; readonly some: readonly Before[] },
  context: Context
): Commit | undefined {
  const { verb, some } = given
  const subject = subjectOf(instance)
  if (view.history(subject).at(-1)?.verb === verb) return undefined
  const why = some.map(
    one => `${one.name}${waitedWords(one)}: ${notReadyWords(view, one, context.now)}`
  )
  const because = verb === 'start-waits' ? waitsWords(why) : goesOnWords(why)
  const severity = verb === 'start-waits' ? 'alarm' : 'warning'
  const seen = { subject, reason: verb, message: because, at: isoOf(context), severity } as const
  const event = notification(view, { ...seen, source: 'controller' }, context)
  return {
    changes: [{ op: 'put', resource: event }],
    decisions: [decision(context, verb, because, subject)]
  }
}

const waitsWords = (why: readonly string[]): string =>
  `waits for ${why.join('; ')}; it waits on until that is ready, or stopped, or no more in after`

/** Their hosts may have told already that nobody waits for them. */
function goesOnWords(why: readonly string[]): string {
  const text = `starts without ${why.join('; ')}`
  return text.includes('readiness.late') ? text : `${text}; readiness.late says so`
}

/** Takes down which starts have phoned home, from what hosts have just reported. */
function* callsHome(view: View, context: Context): Iterable<Commit> {
  for (const host of view.indexes.news) {
    const called = (view.heard(host).report?.instances ?? []).flatMap(seen => {
      const instance = seen.ready === 'ready' ? view.get('instance', seen.id) : undefined
      if (instance?.spec.readiness?.phoneHome !== true || !seen.startedAt) return []
      if (instance.decided.host !== host || instance.decided.phonedHome === seen.startedAt)
        return []
      const decided = { ...instance.decided, phonedHome: seen.startedAt }
      return [{ ...instance, decided }]
    })
    if (called.length === 0) continue
    yield {
      changes: called.map((resource: Resource): Change => ({ op: 'put', resource })),
      decisions: called.map(one =>
        decision(
          context,
          'phoned-home',
          `since its start at ${one.decided.phonedHome}`,
          subjectOf(one)
        )
      )
    }
  }
}
