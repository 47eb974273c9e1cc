/**
 * A short name for a value: equal values have equal fingerprints. It tells whether something has
 * changed, it keeps nobody out: two FNV-1a sums of 32 bits side by side are not made against
 * forgers.
 */

/** Gives 16 hexadecimal digits that stand for the value; the order of keys does not matter. */
export function fingerprint(value: unknown): string {
  const text = canonical(value)
  let one = 0x811c9dc5
  let other = 0x9e3779b9
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    one = Math.imul(one ^ unit, 0x01000193)
    other = Math.imul(other ^ unit, 0x85ebca6b)
  }
  return hexadecimal(one) + hexadecimal(other)
}

const hexadecimal = (sum: number): string => (sum >>> 0).toString(16).padStart(8, '0')

/** Writes a value as JSON with sorted keys, without those that are undefined. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const fields = value as Readonly<Record<string, unknown>>
  let text = ''
  for (const key of Object.keys(fields).sort()) {
    const field = fields[key]
    if (field === undefined) continue
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(field)}`
  }
  return `{${text}}`
}
