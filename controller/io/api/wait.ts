import type { Resource } from '#shared/model/index.ts'
import { documentOf } from '../../core/documents.ts'
import { volumesOf } from '../../core/evacuation.ts'
import { subjectOf } from '../../core/subject.ts'
import type { FeedItem } from '../feed.ts'
import type { Service } from './service.ts'

/** Looks at least so often, also when nothing is announced: time passes for hosts too. Unit: ms. */
const lookMs = 500

/**
 * Waits until a resource is as desired (its condition `ready` is true), gone, or the time is over.
 * Says which; never throws for the time.
 */
export async function waitFor(
  service: Service,
  wanted: {
    readonly resource: Resource
    readonly gone: boolean
    readonly waitMs: number
    readonly signal: AbortSignal
  }
): Promise<'settled' | 'timeout'> {
  const { clock, feed } = service
  const deadline = clock.monotonic() + wanted.waitMs
  const all = [wanted.resource, ...(wanted.gone ? goingWith(service, wanted.resource) : [])]
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, wanted.signal])
  const news = feed.follow(undefined, signal)
  let next = news.next()
  let look = true
  try {
    while (!wanted.signal.aborted) {
      if (look && all.every(resource => isSettled(service, { ...wanted, resource }))) {
        return 'settled'
      }
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0) return 'timeout'
      const timer = new AbortController()
      const late = clock.sleep(Math.min(leftMs, lookMs), timer.signal).then(
        () => 'late' as const,
        () => 'late' as const
      )
      const first = await Promise.race([next, late])
      timer.abort()
      look = first === 'late' || first.done === true || concerns(first.value, all)
      if (first !== 'late') next = news.next()
    }
    return 'timeout'
  } finally {
    stop.abort()
    await next
    await news.return(undefined)
  }
}

/** What becomes of others is no reason to look: with many who wait that would be much. */
const concerns = (said: readonly FeedItem[] | 'reset', all: readonly Resource[]): boolean =>
  said === 'reset' ||
  said.some(({ subjects }) => all.some(resource => subjects.includes(subjectOf(resource))))

/** What is deleted with an instance has to be gone before its name is free again. */
const goingWith = ({ reign: { view } }: Service, resource: Resource): readonly Resource[] =>
  resource.kind === 'instance'
    ? volumesOf(view, resource).filter(({ decided }) => decided.ownerId === resource.id)
    : []

function isSettled(
  service: Service,
  wanted: { readonly resource: Resource; readonly gone: boolean }
): boolean {
  const { view } = service.reign
  const now = view.get(wanted.resource.kind, wanted.resource.id)
  if (!now) return true
  if (wanted.gone) return false
  const { conditions } = documentOf(view, now, service.reign.now())
  // What is on its way to another host may be ready all the time.
  if (conditions.some(({ type }) => type === 'moving')) return false
  const ready = conditions.find(({ type }) => type === 'ready')
  return ready === undefined || ready.status === 'true'
}
