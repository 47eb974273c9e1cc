/** Answers requests for files: with all, with a part, or with nothing since it is there already. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock.ts'
import { rangeOf } from '../../core/byte-range.ts'
import type { StoredFile } from './images.ts'
import { sendFile } from './send-file.ts'

/** How a file is sent. */
export type AnswerWish = {
  /** Waits for a place, or refuses one; gives what gives it back. */
  readonly take: () => Promise<() => void>
  /** 0: as fast as it goes. */
  readonly bytesPerS: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Sends what is asked of a file; Faults: those of `take` and of `sendFile`. */
export async function answerFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: StoredFile,
  { take, bytesPerS, clock, signal }: AnswerWish
): Promise<void> {
  const { headers, method } = request
  const etag = `"${file.sha256}"`
  const verdict = rangeOf(
    {
      range: headers.range,
      ifRange: [headers['if-range']].flat()[0],
      ifNoneMatch: headers['if-none-match']
    },
    file.bytes,
    etag
  )
  const type = 'application/octet-stream'
  const about = { 'accept-ranges': 'bytes', etag, 'content-type': type }
  if (verdict.status === 304) return void response.writeHead(304, about).end()
  if (verdict.status === 416) {
    response.setHeader('content-range', `bytes */${file.bytes}`)
    return say(response, 416, 'it is shorter than that')
  }
  const isPart = verdict.status === 206
  const [first, last] = isPart ? [verdict.first, verdict.last] : [0, file.bytes - 1]
  const head = {
    ...{ ...about, 'content-length': last - first + 1 },
    ...(isPart && { 'content-range': `bytes ${first}-${last}/${file.bytes}` })
  }
  if (method === 'HEAD') return void response.writeHead(verdict.status, head).end()
  const giveBack = await take()
  try {
    // Only now: who gets no place is told so with a head of its own.
    response.writeHead(verdict.status, head)
    await sendFile(response, { path: file.path, first, last, bytesPerS, clock, signal })
    response.end()
  } finally {
    giveBack()
  }
}

/** Answers with a short text. */
export function say(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.setHeader('cache-control', 'no-store')
  response.end(text.endsWith('\n') ? text : `${text}\n`)
}
