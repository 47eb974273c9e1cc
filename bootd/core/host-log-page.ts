/** Parts of a log as they are told: out of so much of its bytes as one answer may have. */
import {
  type HostLogPage,
  type HostLogQuestion,
  hostLogPageBytesMax
} from '#shared/wire/bootd-question.ts'
import { readKeptLine } from './host-log-line.ts'

/** No line that is kept is longer. Unit: bytes. */
const lineBytesMax = 8_192
/** For one answer no more is read. Unit: bytes. */
export const lookedAtBytesMax = hostLogPageBytesMax + lineBytesMax

/** Where in a log something lies. */
export type LogRange = { readonly begin: number; readonly end: number }

/** A part of a log, and all that is kept of it. */
export type LogPart = { readonly text: string; readonly read: LogRange; readonly kept: LogRange }

type Question = Pick<HostLogQuestion, 'after' | 'since' | 'linesMax'>

/** Which part of what is kept must be read for an answer. */
export function readFor({ after }: Question, kept: LogRange): LogRange {
  if (after === undefined) {
    return { begin: Math.max(kept.begin, kept.end - lookedAtBytesMax), end: kept.end }
  }
  const begin = Math.max(after, kept.begin)
  return { begin, end: Math.min(kept.end, begin + lookedAtBytesMax) }
}

/** The answer: the first lines behind a place, or the last ones. */
export function pageOf(part: LogPart, { after, since, linesMax }: Question): HostLogPage {
  const { read, kept } = part
  const lines = linesOf(part)
  if (after !== undefined) {
    const count = mostOf(lines, linesMax)
    const next = count < lines.length || read.end < kept.end ? lines[count - 1]?.end : kept.end
    const items = lines.slice(0, count).flatMap(line => line.read ?? [])
    return { items, next: next ?? read.end, isCut: read.begin > after }
  }
  // Where the reading begins within a line, the rest of that line is nothing to be read.
  const whole = read.begin > kept.begin ? lines.slice(1) : lines
  const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since)
  const asked = whole.filter(line => line.read && Date.parse(line.read.received) >= from)
  const count = mostOf(asked.toReversed(), linesMax)
  const items = asked.slice(asked.length - count).flatMap(line => line.read ?? [])
  // What is older than anything that was looked at may have been asked for as well.
  const isCut = count < asked.length || (read.begin > 0 && asked.length === whole.length)
  return { items, next: kept.end, isCut }
}

type Line = {
  readonly read: ReturnType<typeof readKeptLine>
  readonly bytes: number
  /** The place behind it. */
  readonly end: number
}

function linesOf({ text, read }: LogPart): readonly Line[] {
  let end = read.begin
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const bytes = Buffer.byteLength(line) + 1
      end += bytes
      return { read: readKeptLine(line), bytes, end }
    })
}

function mostOf(lines: readonly Line[], linesMax: number): number {
  let bytes = 0
  let count = 0
  for (const line of lines) {
    bytes += line.bytes
    if (count >= linesMax || bytes > hostLogPageBytesMax) break
    count += 1
  }
  return count
}
