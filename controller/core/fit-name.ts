/** Longest name, and how much of a longer text is kept before its hash. */
const charactersMax = 63
const keptMax = charactersMax - 9

/**
 * Makes a text a name: a DNS label of at most 63 characters, the same each time. What is cut off or
 * replaced is in the hash at its end, so that two texts do not become one name.
 */
export function fitName(text: string): string {
  const label = text
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+|-+$/g, '')
  if (label === text && text.length <= charactersMax) return text
  const kept = label.slice(0, keptMax).replace(/-+$/, '')
  return `${kept === '' ? 'x' : kept}-${hashOf(text)}`
}

/** FNV-1a, 32 bits: names need no stronger one. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  }
  return hash.toString(16).padStart(8, '0')
}
