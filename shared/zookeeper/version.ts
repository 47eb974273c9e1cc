/** Older servers have lost acknowledged writes for good when they were killed. */
export const versionMin = '3.9.4'

/** Says whether a version of dotted numbers is another or later; what has no number is not. */
export function isAtLeast(version: string, least: string): boolean {
  const [is, wanted] = [numbersOf(version), numbersOf(least)]
  if (is.length === 0) return false
  for (let index = 0; index < Math.max(is.length, wanted.length); index++) {
    const difference = (is[index] ?? 0) - (wanted[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

const numbersOf = (version: string): readonly number[] =>
  (/^\d+(\.\d+)*/.exec(version)?.[0] ?? '').split('.').filter(Boolean).map(Number)
