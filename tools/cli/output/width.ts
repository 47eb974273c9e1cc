/**
 * How wide a text stands on a terminal. Most characters take one column; those of East Asia and
 * most emoji take two, and marks that combine with the one before take none.
 */
const wideRanges = [
  '\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\u4dbf\\u4e00-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3',
  '\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6',
  '\\u{1f300}-\\u{1f64f}\\u{1f680}-\\u{1f6ff}\\u{1f900}-\\u{1f9ff}\\u{20000}-\\u{3fffd}'
]
const wide = new RegExp(`[${wideRanges.join('')}]|\\p{Emoji_Presentation}`, 'u')
const invisible = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
const ascii = /^[\x20-\x7e]*$/

let segmenter: Intl.Segmenter | undefined

function graphemes(text: string): readonly string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return Array.from(segmenter.segment(text), part => part.segment)
}

const widthOfOne = (grapheme: string): number => {
  if (invisible.test(grapheme)) return 0
  return wide.test(grapheme) || grapheme.includes('\ufe0f') ? 2 : 1
}

/** Counts the columns that a text without control characters takes. */
export function displayWidth(text: string): number {
  if (ascii.test(text)) return text.length
  return graphemes(text).reduce((sum, grapheme) => sum + widthOfOne(grapheme), 0)
}

/** Shortens a text to at most so many columns, with … where something is left out. */
export function cut(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  if (columns < 1) return ''
  let width = 0
  let kept = ''
  for (const grapheme of graphemes(text)) {
    width += widthOfOne(grapheme)
    if (width > columns - 1) break
    kept += grapheme
  }
  return `${kept}…`
}

/** Breaks a text between words into lines of so many columns; a longer word stands alone. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= columns) {
      lines[lines.length - 1] = `${last} ${word}`
    } else lines.push(word)
  }
  return lines
}

/** Fills a text up with spaces to so many columns, on the right or on the left. */
export function pad(text: string, columns: number, side: 'left' | 'right' = 'right'): string {
  const spaces = ' '.repeat(Math.max(0, columns - displayWidth(text)))
  return side === 'right' ? text + spaces : spaces + text
}
