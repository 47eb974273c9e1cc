/**
 * Places in the stream of what happens: the ids of `GET /v1/events`, written `EPOCH.SEQ`.
 *
 * SEQ is a position of the journal followed by nine digits, so it only grows. What an entry has
 * recorded is numbered within it from 1; the last of it is `500000000`: whoever has seen that has
 * seen the whole entry. So each candidate, which folds the same entries, gives the same ids. What
 * hosts report is in no journal: the controller numbers it from `500000001` on after the last
 * entry, with its own epoch in front. A later controller has a higher epoch, so all that it has
 * heard is news to a client that comes from an earlier one.
 *
 * A candidate that does not lead hears no host: whoever listens there goes on in what is recorded
 * and not in what is reported. Then the id has both places, `EPOCH.SEQ~EPOCH.SEQ`, and the
 * controller tells later what was missed; `~0`: nothing that was reported is known.
 */
import type { Epoch } from '#shared/ids.ts'
import type { Position } from './ports.ts'

/** A place in the stream: all up to it was seen. */
export type Place = {
  readonly epoch: Epoch
  readonly position: Position
  /** What of the entry and of what was reported after it. */
  readonly part: number
}

/** The part that says: the whole entry, and nothing of what was reported after it. */
export const wholeEntry = 500_000_000
/** No part is higher: reports after it share it, and a client may be told some of them twice. */
export const partMax = 999_999_999

/** How far a client has come: in what is recorded, and in what hosts have reported. */
export type Cursor = { readonly recorded: Place; readonly status: Place }

/** The place of who has seen nothing. */
export const nowhere: Place = { epoch: 0, position: 0, part: wholeEntry }

/** Writes a place as the id of an event. */
export function writePlace({ epoch, position, part }: Place): string {
  return `${epoch}.${position === 0 ? '' : position}${String(part).padStart(9, '0')}`
}

/** Reads an id; undefined: it is none. */
export function readPlace(id: string): Place | undefined {
  const [, epoch, position, part] = /^(\d{1,15})\.(\d{0,15}?)(\d{9})$/.exec(id) ?? []
  if (epoch === undefined || part === undefined) return undefined
  return { epoch: Number(epoch), position: Number(position), part: Number(part) }
}

/** Writes a cursor as the id that a client sends back. */
export function writeCursor({ recorded, status }: Cursor): string {
  if (comparePlaces(recorded, status) <= 0) return writePlace(status)
  const rest = status.epoch === 0 ? '0' : writePlace(status)
  return `${writePlace(recorded)}~${rest}`
}

/** Reads what a client has sent back; undefined: it is none of our ids. */
export function readCursor(id: string): Cursor | undefined {
  const [first = '', second, ...others] = id.split('~')
  const recorded = readPlace(first)
  const status = second === undefined ? recorded : second === '0' ? nowhere : readPlace(second)
  return recorded && status && others.length === 0 ? { recorded, status } : undefined
}

/** Orders places as a stream tells them: below 0 when `a` comes first. */
export function comparePlaces(a: Place, b: Place): number {
  return a.epoch - b.epoch || compareWithin(a, b)
}

/** The same for what is recorded: there the position alone decides, whatever the epoch. */
export function compareWithin(a: Omit<Place, 'epoch'>, b: Omit<Place, 'epoch'>): number {
  return a.position - b.position || a.part - b.part
}
