/**
 * The stream of what changes. It is server-sent events: when it breaks it is opened again from the
 * last position that was seen, and where the server no longer remembers that one it says `reset`,
 * which means: look at everything again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import type { BootState } from '#shared/wire/boot.ts'
import type { Api } from './client.ts'
import { makeSseReader, type SseEvent } from './sse.ts'

/** The server sends a bookmark every 15 s; a stream that is silent for longer than this is dead. */
const silenceMsMax = 40_000
const backOffMsMin = 250
const backOffMsMax = 5_000

/** A resource was put or removed, or its status changed. */
export type Change = {
  readonly op: 'put' | 'remove' | 'status'
  readonly kind: Kind
  readonly id: string
  readonly name: string
  readonly tenant?: string
  readonly resource?: ResourceDocument
}

/** The controller, or somebody through it, decided something. */
export type Decision = {
  readonly at: string
  readonly by: string
  readonly verb: string
  readonly because: string
  readonly subjects: readonly string[]
}

/** One thing that the stream says, or that happens to the stream itself. */
export type Happening =
  | { readonly type: 'connected' }
  | { readonly type: 'change'; readonly id: string; readonly change: Change }
  | { readonly type: 'decision'; readonly id: string; readonly decision: Decision }
  | { readonly type: 'boot'; readonly id: string; readonly boot: BootState }
  | { readonly type: 'bookmark'; readonly id: string }
  /** What was seen before may be out of date: look at everything again. */
  | { readonly type: 'reset' }
  /** The stream broke; it will be opened again. */
  | { readonly type: 'lost'; readonly because: string }

/** What of all that happens is wanted; left out: everything. */
export type EventsQuery = {
  readonly kinds?: string | undefined
  readonly tenant?: string | undefined
  /** KIND/NAME. */
  readonly subject?: string | undefined
}

/**
 * Yields what happens until the signal aborts. Throws the Fault of the first attempt, and one that
 * trying again cannot mend.
 */
export async function* happenings(
  api: Api,
  query: EventsQuery,
  signal: AbortSignal
): AsyncGenerator<Happening, void, undefined> {
  let last: string | undefined
  let hasConnected = false
  let backOffMs = backOffMsMin
  while (!signal.aborted) {
    try {
      for await (const event of connect(api, { ...query }, { last, signal })) {
        if (event === 'open') {
          hasConnected = true
          backOffMs = backOffMsMin
          yield { type: 'connected' }
          continue
        }
        last = event.id ?? last
        const happening = read(event)
        if (happening) yield happening
      }
      if (signal.aborted) return
      yield { type: 'lost', because: 'the controller closed the stream' }
    } catch (error) {
      if (signal.aborted) return
      const mayPass = isFault(error) && ['unavailable', 'closed', 'deadline'].includes(error.code)
      if (!hasConnected || !mayPass) throw error
      yield { type: 'lost', because: sentence(error) }
    }
    await sleep(backOffMs, undefined, { signal }).catch(() => {})
    backOffMs = Math.min(backOffMs * 2, backOffMsMax)
  }
}

async function* connect(
  api: Api,
  query: EventsQuery,
  options: { readonly last: string | undefined; readonly signal: AbortSignal }
): AsyncGenerator<SseEvent | 'open', void, undefined> {
  const { last, signal } = options
  const response = await api.open({
    method: 'GET',
    path: '/v1/events',
    query: { ...query },
    headers: {
      accept: 'text/event-stream',
      ...(last === undefined ? {} : { 'last-event-id': last })
    },
    doing: 'watch events',
    signal
  })
  const reader = makeSseReader()
  let timer: NodeJS.Timeout | undefined
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(() => response.destroy(), silenceMsMax)
  }
  heard()
  yield 'open'
  try {
    for await (const chunk of response) {
      heard()
      yield* reader(chunk as Buffer)
    }
  } catch (error) {
    // A stream that broke off in the middle is opened again like one that ended.
    if (isFault(error)) throw error
  } finally {
    clearTimeout(timer)
    response.destroy()
  }
}

function read(event: SseEvent): Happening | undefined {
  const id = event.id ?? ''
  switch (event.event) {
    case 'change':
      return { type: 'change', id, change: parse(event.text) as Change }
    case 'decision':
      return { type: 'decision', id, decision: parse(event.text) as Decision }
    case 'boot':
      return { type: 'boot', id, boot: parse(event.text) as BootState }
    case 'bookmark':
      return { type: 'bookmark', id }
    case 'reset':
      return { type: 'reset' }
    default:
      return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Fault('protocol', 'cannot read an event: it is not JSON', { cause: error })
  }
}
