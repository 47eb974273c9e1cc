/**
 * The small languages in which the kernel writes about the machine: lists of numbers, colon tables,
 * numbers that may be missing. Whatever cannot be read is undefined, never a guess.
 */

/** Reads a kernel list such as `0-3,8,10-11`; undefined when it is none. An empty list is []. */
export function parseList(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  if (trimmed === '') return []
  const numbers: number[] = []
  for (const part of trimmed.split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim())
    if (!match) return undefined
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    for (let number = first; number <= last; number += 1) numbers.push(number)
  }
  return numbers
}

/** Reads a count or size, decimal; undefined when it is missing, negative or no number. */
export function parseCount(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? ''
  if (!/^\d{1,15}$/.test(trimmed)) return undefined
  return Number(trimmed)
}

/** Reads `key : value` lines; of a key that comes twice the first value counts. */
export function parseTable(text: string): ReadonlyMap<string, string> {
  const table = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const key = line.slice(0, colon).trim()
    if (key !== '' && !table.has(key)) table.set(key, line.slice(colon + 1).trim())
  }
  return table
}

/** One line of printable text, at most 4096 characters; undefined when nothing remains. */
export function plain(text: string | undefined): string | undefined {
  const line = text
    ?.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
    .trim()
    .replace(/ {2,}/g, ' ')
  return line === undefined || line === '' ? undefined : line.slice(0, 4096)
}
