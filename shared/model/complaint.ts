/**
 * Turns what the schema compiler finds into a sentence for people. The compiler names a keyword, a
 * place in the value and a place in the schema; the limits are read from the schema there.
 */
import { nearest } from './near.ts'
import { namePattern } from './resource.ts'

/** A finding of the schema compiler. */
export type RawError = {
  readonly keyword: string
  /** Where in the schema, as `#/properties/ports/items`. */
  readonly schemaPath: string
  /** Where in the value, as a JSON pointer. */
  readonly instancePath: string
  readonly params: {
    readonly requiredProperties?: readonly string[]
    readonly allowedValues?: readonly unknown[]
    readonly allowedValue?: unknown
    readonly type?: string | readonly string[]
    readonly format?: string
    readonly pattern?: string | RegExp
    readonly message?: string
  }
  readonly message: string
}

/** What is read of a schema. */
type Node = {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly patternProperties?: Readonly<Record<string, unknown>>
  readonly anyOf?: readonly {
    readonly const?: unknown
    readonly properties?: Readonly<Record<string, { readonly const?: unknown }>>
  }[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
}

/**
 * Whether another finding says the same better: a field that is not known is found twice, and so is
 * each branch of a union none of which fits.
 */
export function isRepeated(error: RawError, all: readonly RawError[]): boolean {
  if (error.keyword === 'additionalProperties') return true
  return all.some(
    other =>
      other !== error &&
      other.keyword === 'anyOf' &&
      error.schemaPath.startsWith(`${other.schemaPath}/anyOf/`)
  )
}

/** Writes the sentence, with the limits and the value that breaks them. */
export function complaint(schema: unknown, value: unknown, error: RawError): string {
  const node = at(schema, error.schemaPath) as Node
  const found = at(value, error.instancePath)
  const name = lastOf(error.instancePath)
  const not = `, not ${shown(found, name)}`
  switch (error.keyword) {
    case 'boolean':
      return unknownField(at(schema, parentOf(error.schemaPath)) as Node | undefined, name)
    case 'type':
      return `must be ${typeWords(error.params.type)}${not}`
    case 'enum':
      return oneOf(error.params.allowedValues ?? []) + not + meant(error, found)
    case 'const':
      return `must be ${shown(error.params.allowedValue, '')}${not}`
    case 'anyOf':
      return anyOf(node) + (typeof found === 'object' ? '' : not)
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `must be ${range(node)}${not}`
    case 'minLength':
    case 'maxLength':
      return `must have ${count(node, 'Length', 'character')}, has ${sizeOf(found)}`
    case 'minItems':
    case 'maxItems':
      return `must have ${count(node, 'Items', 'entry')}, has ${sizeOf(found)}`
    case 'minProperties':
    case 'maxProperties':
      return `must have ${count(node, 'Properties', 'field')}, has ${sizeOf(found)}`
    case 'pattern':
      return `must ${patternWords(String(error.params.pattern))}${not}`
    case 'format':
      return `must be ${formatWords(error.params.format ?? '')}${not}`
    default:
      return error.message + not
  }
}

function unknownField(parent: Node | undefined, name: string): string {
  const known = Object.keys(parent?.properties ?? {})
  const patterns = Object.keys(parent?.patternProperties ?? {})
  if (patterns.length > 0) return `the key "${cut(name)}" must match ${patterns.join(' or ')}`
  const near = nearest(name, known)
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return `unknown field "${cut(name)}"${hint}`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null'
}
const typeWords = (type: string | readonly string[] | undefined): string =>
  [type ?? 'of another type']
    .flat()
    .map(each => typeNames[each] ?? each)
    .join(' or ')

const oneOf = (values: readonly unknown[]): string =>
  `must be one of ${values.map(String).join(', ')}`

function meant(error: RawError, found: unknown): string {
  if (typeof found !== 'string') return ''
  const near = nearest(found, (error.params.allowedValues ?? []).map(String))
  return near === undefined ? '' : `; did you mean "${near}"?`
}

function anyOf(node: Node): string {
  const branches = node.anyOf ?? []
  if (branches.every(branch => 'const' in branch)) {
    return `must be one of ${branches.map(branch => String(branch.const)).join(', ')}`
  }
  const types = branches.flatMap(({ properties }) => properties?.['type']?.const ?? [])
  return types.length === branches.length
    ? `must have as type one of ${types.join(', ')}`
    : 'must have one of the forms that are allowed here'
}

function range(node: Node): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = node
  if (minimum !== undefined && maximum !== undefined) return `between ${minimum} and ${maximum}`
  if (minimum !== undefined) return `at least ${minimum}`
  if (maximum !== undefined) return `at most ${maximum}`
  return exclusiveMinimum !== undefined
    ? `more than ${exclusiveMinimum}`
    : `less than ${exclusiveMaximum}`
}

function count(node: Node, what: 'Length' | 'Items' | 'Properties', word: string): string {
  const least = node[`min${what}`]
  const most = node[`max${what}`]
  const words = `${word.replace(/y$/, 'ie')}s`
  if (least !== undefined && least === most) return `${most} ${most === 1 ? word : words}`
  if (least !== undefined && most !== undefined) return `${least} to ${most} ${words}`
  const [limit, number] = least === undefined ? ['at most', most] : ['at least', least]
  return `${limit} ${number} ${number === 1 ? word : words}`
}

const patternNames: Readonly<Record<string, string>> = {
  [namePattern]: 'be a name: 1 to 63 lower-case letters, digits and dashes, no dash at either end'
}
const patternWords = (pattern: string): string => patternNames[pattern] ?? `match ${pattern}`

const formatNames: Readonly<Record<string, string>> = {
  ipv4: 'an IPv4 address such as 10.66.0.7',
  'date-time': 'a moment as in RFC 3339, such as 2026-01-31T12:00:00Z'
}
const formatWords = (format: string): string => formatNames[format] ?? `of the form "${format}"`

/** Fields whose value is never repeated in a sentence, since sentences end up in logs. */
const secretNames = /token|secret|password|userData/i
const shownCharactersMax = 40

/** A value as a sentence may show it: shortened, and not at all when it may be a secret. */
function shown(value: unknown, name: string): string {
  if (secretNames.test(name) && typeof value === 'string') return 'what was given'
  if (value === undefined) return 'nothing'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? `"${cut(value)}"` : cut(String(value))
}

function cut(text: string): string {
  const plain = text.slice(0, shownCharactersMax + 1).replaceAll(/\p{Cc}/gu, '?')
  return text.length > shownCharactersMax ? `${plain.slice(0, shownCharactersMax - 1)}…` : plain
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return Object.keys(value ?? {}).length
}

/** Writes a field's name as a step of a JSON pointer. */
export const keyOf = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

const stepsOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
const lastOf = (pointer: string): string => stepsOf(pointer).at(-1) ?? ''
const parentOf = (pointer: string): string => pointer.slice(0, pointer.lastIndexOf('/'))

/** What a JSON pointer points to; own fields only. */
export function at(root: unknown, pointer: string): unknown {
  let here = root
  for (const step of stepsOf(pointer)) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined
    here = (here as Readonly<Record<string, unknown>>)[step]
  }
  return here
}
