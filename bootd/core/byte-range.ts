/** Ranges of bytes in HTTP (RFC 9110, section 14), as far as boots need them: one range each. */

/** What a request says of ranges and of what it has already. */
export type RangeWish = {
  readonly range: string | undefined
  readonly ifRange: string | undefined
  readonly ifNoneMatch: string | undefined
}

/** What to send: all, a part from `first` to `last`, nothing since it is there already. */
export type RangeVerdict =
  | { readonly status: 200 }
  | { readonly status: 206; readonly first: number; readonly last: number }
  | { readonly status: 304 }
  | { readonly status: 416 }

/** Judges what to send of a file of so many bytes; `etag` with its quotes. */
export function rangeOf(wish: RangeWish, bytes: number, etag: string): RangeVerdict {
  const { range, ifRange, ifNoneMatch } = wish
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, etag)) return { status: 304 }
  // A range of what it was before is no good: then all is sent.
  if (range === undefined || (ifRange !== undefined && ifRange.trim() !== etag)) {
    return { status: 200 }
  }
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim())
  if (!match) return { status: 200 }
  const [, from = '', to = ''] = match
  if (from === '' && to === '') return { status: 200 }
  if (from === '') {
    const count = Math.min(Number(to), bytes)
    return count === 0 ? { status: 416 } : { status: 206, first: bytes - count, last: bytes - 1 }
  }
  const first = Number(from)
  const last = to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)
  if (to !== '' && Number(to) < first) return { status: 200 }
  return first >= bytes ? { status: 416 } : { status: 206, first, last }
}

const matches = (header: string, etag: string): boolean =>
  header
    .slice(0, 2_048)
    .split(',')
    .map(one => one.trim().replace(/^W\//, ''))
    .some(one => one === etag || one === '*')
