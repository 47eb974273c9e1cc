/**
 * A short name for a value: equal values have equal fingerprints. It tells whether something has
 * changed, it keeps nobody out: FNV-1a with 64 bits is not made against forgers.
 */

/** Gives 16 hexadecimal digits that stand for the value; the order of keys does not matter. */
export function fingerprint(value: unknown): string {
  let high = 0xcbf29ce4
  let low = 0x84222325
  for (const unit of canonical(value)) {
    low = (low ^ unit.codePointAt(0)!) >>> 0
    // Times the prime 2^40 + 0x1b3, in two halves that stay below 2^53.
    const product = low * 0x1b3
    high = (high * 0x1b3 + low * 0x100 + Math.floor(product / 2 ** 32)) % 2 ** 32
    low = product % 2 ** 32
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

/** Writes a value as JSON with sorted keys, without those that are undefined. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`)
  return `{${fields.join(',')}}`
}
