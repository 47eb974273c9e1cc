/**
 * Finds what a report says of one thing. A report may name thousands, and is asked far more often
 * than it comes: so what it says is put in order once for each list of each report. Lists are never
 * altered, so what was found stays true for as long as there is the list.
 */
type Named = { readonly id: string }

/** Shorter ones are looked through as they are. */
const listMax = 8

const ordered = new WeakMap<readonly Named[], ReadonlyMap<string, Named>>()

/** What a list of a report says of an id; undefined: nothing. */
export function reportedIn<One extends Named>(list: readonly One[], id: string): One | undefined {
  if (list.length <= listMax) return list.find(one => one.id === id)
  const known = ordered.get(list)
  if (known) return known.get(id) as One | undefined
  const made = new Map(list.map(one => [one.id, one]))
  ordered.set(list, made)
  return made.get(id)
}

/** Ids of what is new, gone or otherwise than in the list before. */
export function differing<One extends Named>(
  before: readonly One[],
  after: readonly One[]
): readonly string[] {
  const ids: string[] = []
  let same = 0
  for (const [at, one] of after.entries()) {
    const other = before[at]?.id === one.id ? before[at] : reportedIn(before, one.id)
    if (other) same += 1
    if (!other || !isSame(other, one)) ids.push(one.id)
  }
  if (same === before.length) return ids
  return [...ids, ...before.flatMap(({ id }) => (reportedIn(after, id) ? [] : [id]))]
}

/** Fields of what a report says are words and numbers. */
function isSame(one: Named, other: Named): boolean {
  if (one === other) return true
  const [a, b] = [one, other] as [Record<string, unknown>, Record<string, unknown>]
  let fields = 0
  for (const field in a) {
    if (a[field] !== b[field]) return false
    fields += 1
  }
  for (const _ in b) fields -= 1
  return fields === 0
}
