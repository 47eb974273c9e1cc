/** The stream of what happens, as server-sent events. */
import { Readable } from 'node:stream'
import Type from 'typebox'
import { Strict } from '#shared/model/resource.ts'
import type { FeedItem } from '../feed.ts'
import { type Call, header, type Reply, type Route } from './route.ts'
import type { Service } from './service.ts'

/** A bookmark is sent at least so often; a client that hears none is cut off. Unit: ms. */
const bookmarkMs = 15_000

const EventsQuery = Strict({
  kinds: Type.Optional(
    Type.String({
      maxLength: 256,
      description: 'Only these kinds, comma-separated; boot: how machines boot.'
    })
  ),
  tenant: Type.Optional(Type.String({ maxLength: 63, description: 'Only this tenant.' })),
  subject: Type.Optional(
    Type.String({ maxLength: 256, description: 'Only what concerns this: kind/name.' })
  )
})

/** The stream lasts until the client goes away, or this process ends. */
export const eventRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1/events',
    operation: 'follow-events',
    summary:
      'Follow what happens (server-sent events): change, decision, boot, bookmark, reset. ' +
      'Last-Event-ID goes on where a client was.',
    tag: 'events',
    role: 'reader',
    query: EventsQuery,
    replies: { 200: Type.String() },
    answer: async call => follow(service, call)
  }
]

function follow(service: Service, call: Call): Reply {
  const { kinds, tenant, subject } = call.query
  const wanted = kinds?.split(',')
  const fits = (item: FeedItem): boolean =>
    (wanted === undefined || (item.kind !== undefined && wanted.includes(item.kind))) &&
    (tenant === undefined || item.tenant === undefined || item.tenant === tenant) &&
    (subject === undefined || item.subjects.includes(subject))
  return {
    type: 'text/event-stream',
    headers: { 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    body: Readable.from(frames(service, call, fits))
  }
}

/** The id of a frame is never newer than what was sent before it: a client goes on from there. */
async function* frames(
  service: Service,
  call: Call,
  fits: (item: FeedItem) => boolean
): AsyncIterable<string> {
  const { feed, clock } = service
  const resumed = header(call, 'last-event-id')
  const news = feed.follow(resumed, call.signal)
  // From here on nothing is missed, whenever the first frame is sent.
  let next = news.next()
  let at = resumed ?? feed.revision
  try {
    yield `retry: 1000\n${frame('bookmark', at, '{}')}`
    while (!call.signal.aborted) {
      const timer = new AbortController()
      const late = clock.sleep(bookmarkMs, timer.signal).then(
        () => undefined,
        () => undefined
      )
      const first = await Promise.race([next, late])
      timer.abort()
      if (first === undefined) {
        yield frame('bookmark', at, '{}')
        continue
      }
      if (first.done) return
      next = news.next()
      if (first.value === 'reset') {
        at = feed.revision
        yield frame('reset', at, '{}')
        continue
      }
      at = first.value.at(-1)?.id ?? at
      const text = framesOf(first.value.filter(fits))
      if (text !== '') yield text
    }
  } finally {
    await news.return(undefined)
  }
}

const framesOf = (items: readonly FeedItem[]): string =>
  items.map(({ type, id, json }) => frame(type, id, json)).join('')

const frame = (event: string, id: string, json: string): string =>
  `event: ${event}\nid: ${id}\ndata: ${json}\n\n`
