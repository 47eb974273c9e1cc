/**
 * All losses that the reserve speaks of: any so many hosts, and each failure domain. Most are
 * settled many at a time by a bound, and only those that are left are looked at one by one.
 */
import { isSure, type Summit, summitOf } from './bound.ts'
import { wantBitsMax } from './evacuee.ts'
import type { Ground } from './ground.ts'
import type { Reserve } from './settings.ts'

/** Losses that are looked at one by one at most; with more, nothing can be promised in time. */
const casesMax = 250_000
/** Those of them that no bound settles, so that each must be planned, which takes far longer. */
export const doubtsMax = 40_000

/** What came of looking at losses: all were seen, or there were too many. */
export type Looked = 'all' | 'too-many'
/** A loss that no bound settles, by the numbers of its hosts; none: as it is. */
export type Doubt = readonly number[]

/** Shows each loss that no bound settles, until `ends` says of one that it is enough. */
export function eachDoubt(
  ground: Ground,
  reserve: Reserve,
  ends: (lost: Doubt) => boolean
): Looked | 'ended' {
  const doubts = doubtsOf(ground, reserve)
  for (;;) {
    const { done, value } = doubts.next()
    if (done) return value
    if (ends(value)) return 'ended'
  }
}

/** Shows each loss that no bound settles. */
export function* doubtsOf(ground: Ground, reserve: Reserve): Generator<Doubt, Looked> {
  const search: Search = { ground, left: casesMax, doubts: doubtsMax, summits: [] }
  if (ground.waiting.length > 0) yield []
  const looked = reserve.hosts > 0 ? yield* losses(search, [], 0, reserve.hosts) : 'all'
  if (looked !== 'all' || reserve.domain === undefined) return looked
  for (const lost of domainsOf(ground, reserve.domain).values()) {
    if (!isSure(ground, lost, undefined)) yield lost
  }
  return 'all'
}

type Search = {
  readonly ground: Ground
  left: number
  doubts: number
  readonly summits: (Summit | undefined)[]
}

/** All ways to lose up to so many more hosts, beginning with a number. */
function* losses(
  search: Search,
  lost: Doubt,
  from: number,
  more: number
): Generator<Doubt, Looked> {
  const { ground } = search
  search.summits[more] ??= summitOf(ground, more)
  if (isSure(ground, lost, { count: more, summit: search.summits[more] })) return 'all'
  for (let host = from; host < ground.rows.length; host += 1) {
    if (!matters(ground, host)) continue
    const next = [...lost, host]
    search.left -= 1
    if (search.left < 0) return 'too-many'
    if (!isSure(ground, next, undefined)) {
      search.doubts -= 1
      if (search.doubts < 0) return 'too-many'
      yield next
    }
    if (more === 1) continue
    const looked = yield* losses(search, next, host + 1, more - 1)
    if (looked !== 'all') return looked
  }
  return 'all'
}

/** A host that nobody leaves and that can take nobody in is lost without notice. */
const matters = (ground: Ground, host: number): boolean =>
  ground.needBytes[host]! > 0 || ground.meets[host] !== 0 || ground.wants.count > wantBitsMax

/** Hosts by the value of a label; those without it are in none. */
export function domainsOf(ground: Ground, label: string): ReadonlyMap<string, readonly number[]> {
  const domains = new Map<string, number[]>()
  for (const [host, { host: resource }] of ground.rows.entries()) {
    const value = resource.labels[label]
    if (value === undefined) continue
    const domain = domains.get(value)
    if (domain) domain.push(host)
    else domains.set(value, [host])
  }
  return domains
}
