/**
 * What happened on the host and belongs into the journal. Notices wait here, numbered, until an
 * order says that they are kept. Two bounds hold: of one sort about one subject only a few pass in
 * each minute, the rest is counted and said with the next; and when the controller is away for
 * long, the oldest are dropped for new ones.
 */
import type { Ms } from '#shared/units.ts'
import type { Notice } from '#shared/wire/order.ts'
import { type Moment, timestamp } from './moment.ts'

/** A report carries no more. */
export const noticesKeptMax = 256
/** Of one sort about one subject, so many pass in a window. */
export const noticesPerWindowMax = 4
/** How long a window is. Unit: ms. */
const noticeWindowMs = 60_000

type Flow = { readonly since: Ms; readonly passed: number; readonly suppressed: number }

/** Notices that wait to be kept, and what passed lately. */
export type Notices = {
  /** Oldest first. */
  readonly waiting: readonly Notice[]
  readonly lastNumber: number
  readonly flows: ReadonlyMap<string, Flow>
}

/** A notice without its number and time. */
export type NoticeText = Pick<Notice, 'subject' | 'reason' | 'message' | 'severity'>

/** The notices of an agent that has just been started. */
export const noNotices: Notices = { waiting: [], lastNumber: 0, flows: new Map() }

/** Adds a notice, or counts it where too many of its sort have passed. */
export function note(notices: Notices, text: NoticeText, now: Moment): Notices {
  const key = `${text.reason} ${text.subject}`
  const last = notices.flows.get(key)
  const expired = last === undefined || now.monotonic - last.since >= noticeWindowMs
  const flow = expired ? { since: now.monotonic, passed: 0, suppressed: 0 } : last
  const flows = new Map([...notices.flows].filter(([, each]) => !isOver(each, now.monotonic)))
  if (flow.passed >= noticesPerWindowMax) {
    return { ...notices, flows: flows.set(key, { ...flow, suppressed: flow.suppressed + 1 }) }
  }
  flows.set(key, { ...flow, passed: flow.passed + 1 })
  const number = notices.lastNumber + 1
  const again = expired ? (last?.suppressed ?? 0) : 0
  const message = again === 0 ? text.message : `${text.message} (and ${again} times before)`
  const notice = { ...text, message: message.slice(0, 2048), number, at: timestamp(now.wall) }
  return {
    waiting: [...notices.waiting, notice].slice(-noticesKeptMax),
    lastNumber: number,
    flows
  }
}

// One that suppressed something is kept until its next notice has said so, or for an hour.
const isOver = (flow: Flow, now: Ms): boolean =>
  now - flow.since >= (flow.suppressed === 0 ? noticeWindowMs : 60 * noticeWindowMs)

/** Forgets those up to a number: they are in the journal. */
export const forgetNotices = (notices: Notices, kept: number): Notices =>
  notices.waiting[0] === undefined || notices.waiting[0].number > kept
    ? notices
    : { ...notices, waiting: notices.waiting.filter(notice => notice.number > kept) }
