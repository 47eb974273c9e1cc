/**
 * When an instance that ended by itself is started again.
 *
 *               started                     ended, and the policy says no
 *    ┌──────┐ ──────────► ┌─────────┐ ─────────────────────────────► ┌──────┐
 *    │ idle │             │ running │                                │ done │
 *    └──────┘ ◄────────── └─────────┘ ────────┐                      └──────┘
 *        ▲  ended at our      ▲               │ ended, and the           │
 *        │  wish              │ started       │ policy says again        │
 *        │                    │               ▼                          │
 *        │                    │          ┌─────────┐                     │
 *        │                    └───────── │ waiting │                     │
 *        │                               └─────────┘                     │
 *        └── set free: a stop is wished, or another restart ◄────────────┘
 *
 * The wait doubles with each ending and is the first one again after a long enough run. It is
 * counted on the monotonic clock. What ended at our own wish is no ending: it starts at once.
 *
 * Runs that were not long enough have failed. They are counted, and reported: after so many of them
 * in a row the controller may try another host; see controller/core/crashes.ts.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { OrderInstance } from '#shared/wire/order.ts'

/** What the order says about starting again. */
export type RestartPolicy = OrderInstance['restart']

/** How a run ended: by an orderly shutdown, by a crash or force, or while nobody looked. */
export type Ending = 'orderly' | 'by-force' | 'unseen'

/** Where an instance stands between its runs. */
export type RestartState =
  | { readonly state: 'idle' }
  | { readonly state: 'running'; readonly since: Ms }
  | { readonly state: 'waiting'; readonly until: Ms; readonly waitMs: Ms }
  | { readonly state: 'done'; readonly ending: Ending }

/** Runs in a row that have failed: when the first began, when and how the last one ended. */
export type FailedRuns = { readonly since: Ms; readonly until: Ms; readonly last: string }

/** How an instance fared so far. */
export type RestartHistory = {
  readonly now: RestartState
  /** Starts that are known of: the last one's number stands with the domain. */
  readonly startCount: number
  /** Waits in a row without a long run between them. */
  readonly streak: number
  /** Undefined: it has just begun anew, or has run for long enough. */
  readonly failing: FailedRuns | undefined
  /** When it last ended by itself, oldest first, at most `endingsKeptMax`. */
  readonly endings: readonly Ms[]
}

/** So many endings are remembered for the sentence that says how often it ended. */
const endingsKeptMax = 32

/** A second wait of a policy whose first is 0 is counted from this. Unit: ms. */
const doublingFloorMs = 10

/** The history of an instance that was never started. */
export const freshHistory: RestartHistory = {
  now: { state: 'idle' },
  startCount: 0,
  streak: 0,
  failing: undefined,
  endings: []
}

/** We have started it. */
export const started = (
  history: RestartHistory,
  start: { readonly now: Ms; readonly startCount: number }
): RestartHistory => ({
  ...history,
  now: { state: 'running', since: start.now },
  startCount: start.startCount
})

/** It was found running, since then: the agent is new, or lost sight of its own start. */
export const adopted = (
  history: RestartHistory,
  run: { readonly since: Ms; readonly startCount: number }
): RestartHistory => ({
  ...history,
  now: { state: 'running', since: run.since },
  startCount: Math.max(history.startCount, run.startCount)
})

/** It is gone since we wished so, or what ended it no longer counts: it may start at once. */
export const setFree = (history: RestartHistory): RestartHistory =>
  history.now.state === 'idle' && history.streak === 0
    ? history
    : { ...history, now: { state: 'idle' }, streak: 0, failing: undefined }

/** Something else is wished of it: what failed before says nothing of that, nor is it waited on. */
export const begunAnew = (history: RestartHistory): RestartHistory => ({
  ...history,
  ...(history.now.state === 'waiting' && { now: { state: 'idle' } }),
  streak: 0,
  failing: undefined
})

/** It was looked at: once it has run for long enough, earlier endings are behind it. */
export function seenRunning(
  history: RestartHistory,
  { now, policy }: { readonly now: Ms; readonly policy: RestartPolicy }
): RestartHistory {
  const { state } = history.now
  if (state !== 'running' || history.streak === 0) return history
  if (now - history.now.since < policy.resetMs) return history
  return { ...history, streak: 0, failing: undefined }
}

/** It ended, and we did not wish so. */
export function ended(
  history: RestartHistory,
  {
    now,
    ending,
    policy,
    words = ''
  }: {
    readonly now: Ms
    readonly ending: Ending
    readonly policy: RestartPolicy
    /** How it ended, for people. */
    readonly words?: string
  }
): RestartHistory {
  const endings = [...history.endings, now].slice(-endingsKeptMax)
  if (!startsAgain(policy, ending)) {
    return { ...history, endings, streak: 0, failing: undefined, now: { state: 'done', ending } }
  }
  const ranMs = history.now.state === 'running' ? now - history.now.since : 0
  const streak = ranMs >= policy.resetMs ? 0 : history.streak
  const waitMs = waitOf(policy, streak)
  const since = (streak === 0 ? undefined : history.failing?.since) ?? now - ranMs
  return {
    ...history,
    endings,
    streak: streak + 1,
    failing: { since, until: now, last: words },
    now: { state: 'waiting', until: now + waitMs, waitMs }
  }
}

const startsAgain = (policy: RestartPolicy, ending: Ending): boolean => {
  switch (policy.policy) {
    case 'always':
      return true
    case 'on-failure':
      return ending !== 'orderly'
    case 'never':
      return false
    default:
      return policy.policy satisfies never
  }
}

/** How long to wait after so many waits in a row. */
function waitOf(policy: RestartPolicy, streak: number): Ms {
  if (streak === 0) return Math.min(policy.delayMsMin, policy.delayMsMax)
  // 2^30 times the floor is longer than any wait can be.
  const base = Math.max(policy.delayMsMin, doublingFloorMs)
  return Math.min(policy.delayMsMax, base * 2 ** Math.min(streak, 30))
}

/** Says that a wait is on, until when, and why with numbers. */
export function waitSentence(
  history: RestartHistory,
  waitMs: Ms,
  { now, windowMs }: { readonly now: Ms; readonly windowMs: Ms }
): string {
  const times = history.endings.filter(at => now - at <= windowMs).length
  const again =
    times === 1 ? 'once' : `${times === endingsKeptMax ? 'at least ' : ''}${times} times`
  return (
    `waits ${formatMs(waitMs)} before start ${history.startCount + 1}: ` +
    `ended ${again} in the last ${formatMs(windowMs)}`
  )
}

/** Says why it stays off although it should run. */
export function doneSentence(ending: Ending, policy: RestartPolicy): string {
  const how = {
    orderly: 'shut itself down',
    'by-force': 'ended by a crash or by force',
    unseen: 'ended while the agent was away'
  }[ending]
  const next = 'raise restarts by one to start it again'
  return `${how}, and its restart policy is ${policy.policy}; ${next}`
}
