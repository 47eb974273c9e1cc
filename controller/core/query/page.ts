/**
 * Pages of a list. The cursor is a key, not an offset: what is created or removed between two
 * pages neither hides nor repeats another item.
 */
import { Fault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { type Filter, valueAt } from './filter.ts'

/** A field to sort by; of documents that are equal in all of them the lower id comes first. */
export type Sort = { readonly path: string; readonly descending: boolean }

/** Reads `-createdAt,name`. */
export const parseSort = (text: string): readonly Sort[] =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .slice(0, 8)
    .map(part =>
      part.startsWith('-')
        ? { path: part.slice(1), descending: true }
        : { path: part, descending: false }
    )

/** Which items and how many; `next` is the cursor of the page before, of the same sort. */
export type PageWish = {
  readonly filter?: Filter
  readonly sort: readonly Sort[]
  readonly limit: number
  readonly next?: string
}

/** `next` leads to the following page; undefined: this is the last. */
export type Page<Item> = {
  readonly items: readonly Item[]
  readonly next: string | undefined
}

type Key = readonly (string | number | boolean | null)[]
type Named = { readonly id: string }

/** Takes items in any order, one at a time, and keeps those of one page. */
export type Pager<Item> = {
  readonly add: (item: Item) => void
  readonly page: () => Page<Item>
}

/** Begins a page. Items may be offered in slices, so that a long list blocks nobody. */
export function pager<Item extends Named>(wish: PageWish): Pager<Item> {
  const after = wish.next === undefined ? undefined : readCursor(wish.next, wish.sort)
  const compare = comparerOf(wish.sort)
  let found: { readonly key: Key; readonly item: Item }[] = []
  let more = false
  const trim = (): void => {
    found.sort((a, b) => compare(a.key, b.key))
    more ||= found.length > wish.limit
    found = found.slice(0, wish.limit)
  }
  return {
    add: item => {
      if (wish.filter && !wish.filter(item)) return
      const key = keyOf(item, wish.sort)
      if (after && compare(key, after) <= 0) return
      // Once a page is full, most items of a long list come after its last one.
      if (more && compare(key, found[wish.limit - 1]!.key) > 0) return
      found.push({ key, item })
      if (found.length >= 4 * wish.limit + 64) trim()
    },
    page: () => {
      trim()
      const last = found.at(-1)
      return {
        items: found.map(({ item }) => item),
        next: more && last ? writeCursor(last.key) : undefined
      }
    }
  }
}

/** The id comes last, so that no two keys are equal. */
const keyOf = (item: Named, sort: readonly Sort[]): Key => [
  ...sort.map(({ path }) => plain(valueAt(item, path))),
  item.id
]

const plain = (value: unknown): Key[number] =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : value === undefined || value === null
      ? null
      : JSON.stringify(value)

const comparerOf =
  (sort: readonly Sort[]) =>
  (a: Key, b: Key): number => {
    for (const [at, left] of a.entries()) {
      const order = compareValues(left, b[at] ?? null)
      if (order !== 0) return sort[at]?.descending ? -order : order
    }
    return 0
  }

/** Nothing sorts first; numbers as numbers; all else as text. */
function compareValues(a: Key[number], b: Key[number]): number {
  if (a === b) return 0
  if (a === null) return -1
  if (b === null) return 1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : 1
}

const writeCursor = (key: Key): string => btoa(encodeURIComponent(JSON.stringify(key)))

function readCursor(text: string, sort: readonly Sort[]): Key {
  try {
    const key = JSON.parse(decodeURIComponent(atob(text)))
    if (Array.isArray(key) && key.length === sort.length + 1) return key
  } catch {
    // told below, like any other cursor that is none of ours
  }
  throw new Fault('invalid', 'cannot go on from this "next": it is not of this list', {
    next: ['pass on "next" of the page before, with the same sort', 'or start again without it']
  })
}

/** Keeps only some fields of a document; `kind`, `id` and `name` are always there. */
export function pickFields(document: ResourceDocument, paths: readonly string[]): object {
  const { kind, id, name } = document
  const picked: Record<string, unknown> = { kind, id, name }
  for (const path of paths) {
    const value = valueAt(document, path)
    if (value === undefined) continue
    const parts = path.split('.')
    let at = picked
    for (const part of parts.slice(0, -1)) {
      const inner = Object.hasOwn(at, part) ? at[part] : undefined
      at[part] = typeof inner === 'object' && inner !== null ? { ...inner } : {}
      at = at[part] as Record<string, unknown>
    }
    const last = parts.at(-1) ?? ''
    if (last !== '__proto__') at[last] = value
  }
  return picked
}
