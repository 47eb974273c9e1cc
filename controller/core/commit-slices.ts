/** Where what many resources share in is cut into several commits, so that none is long. */
import type { Resource } from '#shared/model/index.ts'

const countMax = 64
/** Characters of JSON; the longest commit that the journal takes has four times as many bytes. */
const lengthMax = 2 ** 20

/** The items in order, few enough at a time that what they become fits into one commit. */
export function* slicesOf<Item>(
  items: readonly Item[],
  resourcesOf: (item: Item) => readonly Resource[]
): Iterable<readonly [Item, ...Item[]]> {
  let [slice, length] = [[] as Item[], 0]
  for (const item of items) {
    const more = JSON.stringify(resourcesOf(item)).length
    if (slice.length > 0 && (slice.length >= countMax || length + more > lengthMax)) {
      yield slice as [Item, ...Item[]]
      slice = []
      length = 0
    }
    slice.push(item)
    length += more
  }
  if (slice.length > 0) yield slice as [Item, ...Item[]]
}
