/**
 * Writes tools/cli/fields/: what the model says of each kind and of each field of its wish, as
 * plain values. The command line must know it before it has loaded anything, and loading the model
 * with its schemas takes several times as long as `remuda --help` may.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { type KindDefinition, kinds } from '#shared/model/index.ts'
import { namePattern } from '#shared/model/resource.ts'
import type { Field } from '../cli/field.ts'

/** One module for each kind: its place from the root of the project, and the text to be there. */
export const fieldModules: readonly { readonly file: string; readonly text: () => string }[] =
  Object.values(kinds).map(kind => ({
    file: `tools/cli/fields/${kind.kind}.ts`,
    text: () => moduleOf(kind)
  }))

/** Writes all of them below the root. */
export function writeFields(root: string): void {
  for (const { file, text } of fieldModules) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), text())
  }
}

/** The module of a kind, as the formatter would leave it. */
function moduleOf({ kind, doc, plural, scope, creatable, spec }: KindDefinition): string {
  const fields = Object.fromEntries(fieldsOf(spec as Node, ''))
  return `/** Written by \`npm run docs\` from shared/model: change that. */

/** The kind and the fields of its wish; \`[]\` after a name stands for every item of a list. */
export const ${kind} = ${writeMembers({ doc, plural, scope, creatable, spec: fields }, '')} as const
`
}

/** The keywords of JSON Schema that the model uses for wishes. */
type Node = {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false
  readonly items?: Node
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly pattern?: string
  readonly format?: string
  /** One of several forms: what is in them is said by the API's description alone. */
  readonly anyOf?: readonly Node[]
  /** Names of one's own, such as labels. */
  readonly patternProperties?: Readonly<Record<string, Node>>
  readonly maxProperties?: number
}
/** All of them: one that is used and not known here would silently be left out. */
const known = [
  ...['type', 'description', 'default', 'enum', 'properties', 'required', 'additionalProperties'],
  ...['items', 'minimum', 'maximum', 'minLength', 'maxLength', 'maxItems', 'pattern', 'format'],
  ...['minItems', 'anyOf', 'patternProperties', 'maxProperties']
]

type Named = readonly [path: string, field: Field]

function fieldsOf(schema: Node, path: string): readonly Named[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, node]) => {
    const here = path === '' ? name : `${path}.${name}`
    const required = schema.required?.includes(name) === true && node.default === undefined
    return [[here, fieldOf(node, here, required)] as const, ...fieldsWithin(node, here)]
  })
}

function fieldsWithin(node: Node, path: string): readonly Named[] {
  if (node.items === undefined) return fieldsOf(node, path)
  if (node.items.properties) return fieldsOf(node.items, `${path}[]`)
  return [[`${path}[]`, fieldOf(node.items, `${path}[]`, false)]]
}

function fieldOf(node: Node, path: string, required: boolean): Field {
  for (const keyword of Object.keys(node)) {
    assert(known.includes(keyword), `the field ${path} has a "${keyword}": teach the generator`)
  }
  const [, doc, unit] = /^(.*?)(?: Unit: (\w+)\.)?$/.exec(node.description ?? '')!
  const type = typeOf(node)
  const all: { readonly [Name in keyof Required<Field>]: Field[Name] | undefined } = {
    doc: doc!,
    type,
    unit,
    words: node.enum,
    required: required ? true : undefined,
    default: node.default,
    minimum: node.minimum,
    maximum: node.maximum,
    lengthMin: node.minLength,
    lengthMax: type === 'name' ? undefined : node.maxLength,
    itemsMax: node.maxItems,
    pattern: type === 'name' ? undefined : node.pattern,
    format: node.format
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Field
}

const types: Readonly<Record<string, Field['type']>> = {
  string: 'text',
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  array: 'list',
  object: 'object'
}

function typeOf({ type, pattern, enum: words, anyOf }: Node): Field['type'] {
  if (anyOf !== undefined) return 'object'
  if (pattern === namePattern) return 'name'
  const found = words === undefined ? types[type ?? ''] : 'text'
  assert(found !== undefined, `a field is of the type "${type}": teach the generator`)
  return found
}

const columns = 100

/** Writes a value on one line where it fits behind what stands there, else on several. */
function write(value: unknown, indent: string, head: string): string {
  const line = `${indent}${head} ${writeLine(value)}`
  // A comma may follow.
  if (line.length < columns) return line
  if (typeof value === 'string') {
    return `${indent}${head}\n${broken(value, `${indent}  `, columns - head.length - 1)}`
  }
  if (Array.isArray(value)) {
    const items = value.map(item => `${indent}  ${writeLine(item)}`)
    return `${indent}${head} [\n${items.join(',\n')}\n${indent}]`
  }
  assert(typeof value === 'object' && value !== null)
  return `${indent}${head} ${writeMembers(value, indent)}`
}

function writeMembers(value: object, indent: string): string {
  const deeper = `${indent}  `
  const members = Object.entries(value).map(([name, member]) =>
    write(member, deeper, `${writeKey(name)}:`)
  )
  return `{\n${members.join(',\n')}\n${indent}}`
}

function writeLine(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (Array.isArray(value)) return `[${value.map(writeLine).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([name, one]) => `${writeKey(name)}: ${writeLine(one)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

const writeKey = (name: string): string => (/^[A-Za-z]\w*$/.test(name) ? name : quote(name))

const quote = (text: string): string =>
  text.includes("'") && !text.includes('"')
    ? JSON.stringify(text)
    : `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`

/** Breaks a text between words, each part a literal of its own that fits the columns. */
function broken(text: string, indent: string, columnsMax: number): string {
  const parts: string[] = []
  let rest = text
  while (indent.length + quote(rest).length + 1 > columnsMax) {
    let end = rest.length
    do {
      end = rest.lastIndexOf(' ', end - 1)
      assert(end > 0, `there is no place to break "${rest}"`)
    } while (indent.length + quote(rest.slice(0, end + 1)).length + 2 > columnsMax)
    parts.push(rest.slice(0, end + 1))
    rest = rest.slice(end + 1)
  }
  return [...parts, rest].map(part => `${indent}${quote(part)}`).join(' +\n')
}
