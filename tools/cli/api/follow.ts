/**
 * Following a resource or a list. Events are an invitation to look again, and looking is the
 * truth: a lost event costs a few seconds, a repeated one nothing, and without a stream it is
 * looked at twice a second.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import { type Bell, makeBell } from './bell.ts'
import type { Api } from './client.ts'
import { type EventsQuery, happenings } from './events.ts'

/** How often to look while the stream of events stands, and while it does not. */
const lookMs = { streaming: 5_000, alone: 500 }
/** No two looks are nearer than this, however fast events come. */
const restMs = 100

/**
 * Yields what `look` finds, at once and whenever it may have changed, until the signal aborts.
 * A controller that cannot be reached for a while is waited for, once it has answered.
 */
export async function* follow<Seen>(
  api: Api,
  options: {
    readonly query: EventsQuery
    readonly signal: AbortSignal
    readonly look: (signal: AbortSignal) => Promise<Seen>
    /** Told when the controller cannot be reached; undefined: it can again. */
    readonly away?: (because: string | undefined) => void
  }
): AsyncGenerator<Seen, void, undefined> {
  const { query, look, away } = options
  const done = new AbortController()
  const signal = AbortSignal.any([options.signal, done.signal])
  const bell = makeBell()
  const stream = { stands: false }
  const listening = listen(api, { query, signal, bell, stream })
  let hasAnswered = false
  try {
    while (!signal.aborted) {
      try {
        const seen = await look(signal)
        hasAnswered = true
        away?.(undefined)
        yield seen
      } catch (error) {
        const mayPass = isFault(error) && ['unavailable', 'closed', 'deadline'].includes(error.code)
        if (signal.aborted) break
        if (!hasAnswered || !mayPass) throw error
        away?.(error.message)
      }
      await sleep(restMs, undefined, { signal }).catch(() => {})
      await bell.wait(stream.stands ? lookMs.streaming : lookMs.alone, signal)
    }
  } finally {
    done.abort()
    await listening
  }
}

async function listen(
  api: Api,
  options: {
    readonly query: EventsQuery
    readonly signal: AbortSignal
    readonly bell: Bell
    readonly stream: { stands: boolean }
  }
): Promise<void> {
  const { query, signal, bell, stream } = options
  try {
    for await (const happening of happenings(api, query, signal)) {
      stream.stands = happening.type !== 'lost'
      if (happening.type !== 'bookmark') bell.ring()
    }
  } catch (error) {
    // Without a stream it is looked at more often; that is all that a stream is for.
    if (!isFault(error)) throw error
  } finally {
    stream.stands = false
  }
}
