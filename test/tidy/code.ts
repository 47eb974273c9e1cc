/**
 * Source text with its comments, strings and regular expressions blanked out, so that a rule finds
 * code and not words about code. Every character keeps its place: line numbers stay right, and what
 * stood in a string can be read in the original at the same index.
 */
export function blank(text: string): string {
  let out = ''
  let at = 0
  /** For each template literal that we are inside of, how many braces are open in its hole. */
  const holes: number[] = []
  const keep = (length: number) => {
    out += text.slice(at, at + length)
    at += length
  }
  const hide = (end: number) => {
    out += text.slice(at, end).replace(/[^\n]/g, ' ')
    at = end
  }
  const hideTemplate = () => {
    const end = templateEnd(text, at)
    hide(end)
    if (text.startsWith('${', at)) {
      keep(2)
      holes.push(0)
    } else keep(1)
  }
  while (at < text.length) {
    const character = text[at]!
    if (text.startsWith('//', at)) hide(lineEnd(text, at))
    else if (text.startsWith('/*', at)) hide(commentEnd(text, at))
    else if (character === "'" || character === '"') {
      keep(1)
      hide(stringEnd(text, at, character))
      keep(1)
    } else if (character === '`') {
      keep(1)
      hideTemplate()
    } else if (character === '/' && startsPattern(out)) hide(patternEnd(text, at + 1))
    else if (character === '}' && holes.at(-1) === 0) {
      holes.pop()
      keep(1)
      hideTemplate()
    } else {
      if (holes.length > 0 && character === '{') holes[holes.length - 1]! += 1
      if (holes.length > 0 && character === '}') holes[holes.length - 1]! -= 1
      keep(1)
    }
  }
  return out
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

function commentEnd(text: string, from: number): number {
  const end = text.indexOf('*/', from + 2)
  return end < 0 ? text.length : end + 2
}

function stringEnd(text: string, from: number, quote: string): number {
  let at = from
  while (at < text.length && text[at] !== quote) at += text[at] === '\\' ? 2 : 1
  return at
}

function templateEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && text[at] !== '`' && !text.startsWith('${', at)) {
    at += text[at] === '\\' ? 2 : 1
  }
  return at
}

/** A slash divides after a value, and starts a pattern after anything else. */
function startsPattern(before: string): boolean {
  const last = before.trimEnd()
  if (/\b(return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/.test(last)) {
    return true
  }
  return !/[\w$)\]}'"`]$/.test(last)
}

function patternEnd(text: string, from: number): number {
  let at = from
  let inClass = false
  while (at < text.length && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true
    if (text[at] === ']') inClass = false
    at += text[at] === '\\' ? 2 : 1
  }
  return at + 1
}

/** One import of a file. */
export type Import = {
  readonly name: string
  readonly line: number
  /** Whether it vanishes when types are erased. */
  readonly typeOnly: boolean
}

const importPattern =
  /(?:\b(import|export)\s+(type\s)?[^;'"]*?\bfrom\s*|\bimport\s*\(\s*|^import\s*)'( *)'/gm

/** What a file imports, statically or on demand, in order. */
export function importsOf(text: string, code: string = blank(text)): readonly Import[] {
  return [...code.matchAll(importPattern)].map(match => {
    const end = match.index + match[0].length - 1
    const name = text.slice(end - match[3]!.length, end)
    return { name, line: lineOf(code, end), typeOnly: match[2] !== undefined }
  })
}

/** Number of the line, from 1, on which a character stands. */
export const lineOf = (text: string, index: number): number =>
  text.slice(0, index).split('\n').length
