/**
 * The filter language of lists: `status.phase=running and not name~web`.
 *
 *   expression = term { "or" term }      term = factor { "and" factor }
 *   factor     = "not" factor | "(" expression ")" | path operator value
 *   operator   = "=" "!=" "<" "<=" ">" ">=" "~" (contains)
 *
 * A value is a bare word or a string in double quotes. Numbers compare as numbers where both sides
 * are numbers. A path that leads nowhere is equal to nothing; in a list of things, one that fits is
 * enough.
 */
import { Fault } from '#shared/fault.ts'

/** Says whether a document fits; whatever the document is, it does not throw. */
export type Filter = (document: unknown) => boolean

/** Longest expression, and deepest nesting, that are read. */
const lengthMax = 2_048
const depthMax = 32

type Token = { readonly kind: 'word' | 'string' | 'operator' | 'bracket'; readonly text: string }

/** Reads a filter; Fault `invalid` says where it cannot. */
export function parseFilter(text: string): Filter {
  if (text.length > lengthMax) {
    throw wrong(text, `it has ${text.length} characters, at most ${lengthMax} are read`)
  }
  const tokens = tokensOf(text)
  const parser = { text, tokens, at: 0 }
  const filter = anyOf(parser, 0)
  const rest = parser.tokens[parser.at]
  if (rest) throw wrong(text, `"${rest.text}" is not expected there`)
  return filter
}

type Parser = { readonly text: string; readonly tokens: readonly Token[]; at: number }

function tokensOf(text: string): readonly Token[] {
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|=|<|>|~)|([()])|([^\s"()=!<>~]+))/y
  const tokens: Token[] = []
  while (pattern.lastIndex < text.length) {
    const from = pattern.lastIndex
    if (text.slice(from).trim() === '') break
    const match = pattern.exec(text)
    if (!match) throw wrong(text, `cannot read it from "${text.slice(from, from + 20)}" on`)
    const [, quoted, operator, bracket, word] = match
    if (quoted !== undefined) {
      tokens.push({ kind: 'string', text: quoted.replace(/\\(.)/g, '$1') })
    } else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator })
    else if (bracket !== undefined) tokens.push({ kind: 'bracket', text: bracket })
    else tokens.push({ kind: 'word', text: word ?? '' })
  }
  return tokens
}

function anyOf(parser: Parser, depth: number): Filter {
  const parts = [allOf(parser, depth)]
  while (takeWord(parser, 'or')) parts.push(allOf(parser, depth))
  return parts.length === 1 ? parts[0]! : document => parts.some(part => part(document))
}

function allOf(parser: Parser, depth: number): Filter {
  const parts = [factor(parser, depth)]
  while (takeWord(parser, 'and')) parts.push(factor(parser, depth))
  return parts.length === 1 ? parts[0]! : document => parts.every(part => part(document))
}

function factor(parser: Parser, depth: number): Filter {
  if (depth > depthMax) throw wrong(parser.text, `it is nested deeper than ${depthMax}`)
  if (takeWord(parser, 'not')) {
    const inner = factor(parser, depth + 1)
    return document => !inner(document)
  }
  const token = parser.tokens[parser.at]
  if (token?.kind === 'bracket' && token.text === '(') {
    parser.at += 1
    const inner = anyOf(parser, depth + 1)
    const close = parser.tokens[parser.at]
    if (close?.text !== ')') throw wrong(parser.text, 'a ")" is missing')
    parser.at += 1
    return inner
  }
  return comparison(parser)
}

function comparison(parser: Parser): Filter {
  const [path, operator, value] = parser.tokens.slice(parser.at, parser.at + 3)
  if (path?.kind !== 'word') {
    throw wrong(parser.text, path ? `"${path.text}" is no field` : 'it ends where a field is due')
  }
  if (operator?.kind !== 'operator') {
    throw wrong(parser.text, `after ${path.text} one of = != < <= > >= ~ is due`)
  }
  if (value?.kind !== 'word' && value?.kind !== 'string') {
    throw wrong(parser.text, `after ${path.text}${operator.text} a value is due`)
  }
  parser.at += 3
  const fits = comparer(operator.text, value.text)
  return document => {
    const found = valueAt(document, path.text)
    return Array.isArray(found) && operator.text !== '!=' ? found.some(fits) : fits(found)
  }
}

function comparer(operator: string, wanted: string): (found: unknown) => boolean {
  const number = wanted.trim() === '' ? Number.NaN : Number(wanted)
  const compare = (found: unknown): number =>
    typeof found === 'number' && !Number.isNaN(number)
      ? found - number
      : textOf(found) < wanted
        ? -1
        : Number(textOf(found) > wanted)
  const known = (found: unknown): boolean => found !== undefined && found !== null
  switch (operator) {
    case '=':
      return found => known(found) && compare(found) === 0
    case '!=':
      return found => !known(found) || compare(found) !== 0
    case '<':
      return found => known(found) && compare(found) < 0
    case '<=':
      return found => known(found) && compare(found) <= 0
    case '>':
      return found => known(found) && compare(found) > 0
    case '>=':
      return found => known(found) && compare(found) >= 0
    default:
      return found => known(found) && textOf(found).includes(wanted)
  }
}

function takeWord(parser: Parser, word: string): boolean {
  const token = parser.tokens[parser.at]
  if (token?.kind !== 'word' || token.text !== word) return false
  parser.at += 1
  return true
}

const textOf = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)

/** The value at a path such as `status.phase`; a key with dots (a label) is tried whole first. */
export function valueAt(document: unknown, path: string): unknown {
  if (typeof document !== 'object' || document === null) return undefined
  if (Object.hasOwn(document, path)) return (document as Record<string, unknown>)[path]
  const dot = path.indexOf('.')
  if (dot < 0) return undefined
  const [head, tail] = [path.slice(0, dot), path.slice(dot + 1)]
  if (!Object.hasOwn(document, head)) return undefined
  return valueAt((document as Record<string, unknown>)[head], tail)
}

const wrong = (text: string, why: string): Fault =>
  new Fault('invalid', `cannot read the filter "${text.slice(0, 80)}"`, {
    reasons: [why],
    next: ['write for example: status.phase=running and name~web']
  })
