/**
 * Reads bytes straight into the shape that a schema names, and checks while it reads.
 *
 * The plain way takes three walks: one over the bytes, to see that they are harmless; one that
 * builds the value, whose keys and words become texts that are then looked up; and one over the
 * value, to see that it is what the schema asks for. But nearly all that comes in was written by a
 * program like this one. So here the schema is made into readers beforehand, which know what must
 * come: a key is compared with the bytes of the key that came at this place the last time, a word
 * with the bytes of the words that may be there, and bounds are looked at as a value is read.
 *
 * These readers only ever say yes. What is not just as they know it (another way to write a number,
 * a field that nobody knows, bytes that end too early) they give back, and it goes the plain way,
 * which finds the words for what is wrong. So the rule that must hold is one-sided: what is read
 * here would have come out of the plain way as the same value.
 */
import type { TObject, TSchema, TUnion } from 'typebox'
import { validator } from '../model/validate.ts'
import { encode } from './codec.ts'
import { Cursor, unexpected } from './cursor.ts'

type Read = (cursor: Cursor) => unknown

/** What is looked at of a schema; whatever else one says makes it unreadable here. */
type Node = {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: unknown
  readonly items?: TSchema
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly '~refine'?: unknown
}

/** What a schema may say of each kind of value; `type` is among them. */
const known = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'maxItems'],
  string: ['const', 'minLength', 'maxLength', 'pattern'],
  integer: ['minimum', 'maximum'],
  number: ['minimum', 'maximum'],
  boolean: []
} as const
/** Of these nothing follows for what is valid. */
const silent = ['type', 'description', 'title', 'default', '~kind', '~optional', '~unsafe']
/** Properties are ticked off in the bits of one number. */
const propertiesMax = 30

const cursor = new Cursor()

/**
 * Makes a reader for a union of objects that say by their `type` which one they are. It gives what
 * the bytes from some place on hold, or `unexpected`. Objects whose schema says something that is
 * not known here, of which `onUnknown` is told, are unexpected.
 */
export function shapeReader(
  schema: TUnion,
  onUnknown: (type: unknown) => void = () => {}
): (bytes: Uint8Array, at: number) => unknown {
  const read = unionReader(schema.anyOf as unknown as readonly TObject[], onUnknown)
  return (bytes, at) => {
    cursor.open(bytes, at)
    try {
      const value = read(cursor)
      return cursor.isAtEnd ? value : unexpected
    } catch (thrown) {
      if (thrown === unexpected) return unexpected
      throw thrown
    }
  }
}

/** Tells them apart by their first field, which is where ours write their type. */
function unionReader(variants: readonly TObject[], onUnknown: (type: unknown) => void): Read {
  const known = variants.flatMap(variant => {
    const type = (variant.properties['type'] as Node | undefined)?.const
    const read = readerOf(variant)
    if (read === undefined) onUnknown(type)
    return read === undefined ? [] : [{ tag: Buffer.concat([encode('type'), encode(type)]), read }]
  })
  return from => {
    const start = from.at
    from.pairs()
    for (const { tag, read } of known) {
      if (!from.passes(tag)) continue
      from.open(from.bytes, start)
      return read(from)
    }
    throw unexpected
  }
}

function readerOf(schema: TSchema): Read | undefined {
  const node = schema as Node
  if (node.enum !== undefined) return says(schema, ['enum']) ? wordReader(node.enum) : undefined
  if (node['~refine'] !== undefined)
    return says(schema, ['~refine']) ? bytesReader(schema) : undefined
  const kind = node.type as keyof typeof known | undefined
  if (kind === undefined || !Object.hasOwn(known, kind) || !says(schema, known[kind])) {
    return undefined
  }
  switch (kind) {
    case 'object':
      return objectReader(node)
    case 'array':
      return arrayReader(node)
    case 'string':
      return node.const === undefined ? textReader(node) : wordReader([node.const])
    case 'integer':
      return numberReader(node, Number.isInteger)
    case 'number':
      return numberReader(node, Number.isFinite)
    case 'boolean':
      return from => from.boolean()
    default:
      kind satisfies never
      return undefined
  }
}

const says = (schema: TSchema, words: readonly string[]): boolean =>
  Object.getOwnPropertyNames(schema).every(name => words.includes(name) || silent.includes(name))

/** One of some words, each compared as it is written. */
function wordReader(words: readonly unknown[]): Read | undefined {
  if (!words.every(word => typeof word === 'string')) return undefined
  const written = words.map(word => ({ word, bytes: Uint8Array.from(encode(word)) }))
  return from => {
    for (const { word, bytes } of written) if (from.passes(bytes)) return word
    throw unexpected
  }
}

/** Bytes are what only a function of ours can judge; so it is asked. */
function bytesReader(schema: TSchema): Read {
  const check = validator(schema)
  return from => {
    const view = from.view()
    if (check(view).length > 0) throw unexpected
    return view
  }
}

function textReader({ minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: Node): Read {
  const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u')
  return from => {
    const text = from.text()
    // What a schema counts are characters, and one beyond ASCII may be two in `length`.
    if (text.length > maxLength) throw unexpected
    if (minLength > 0 && (text.length < minLength || !from.isAscii)) throw unexpected
    if (expression !== undefined && !expression.test(text)) throw unexpected
    return text
  }
}

function numberReader(
  { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY }: Node,
  isKind: (value: number) => boolean
): Read {
  return from => {
    const value = from.number()
    if (!isKind(value) || value < minimum || value > maximum) throw unexpected
    return value
  }
}

function arrayReader({ items, maxItems = Number.POSITIVE_INFINITY }: Node): Read | undefined {
  const read = items && readerOf(items)
  if (read === undefined) return undefined
  return from => {
    const count = from.items()
    if (count > maxItems) throw unexpected
    const list: unknown[] = []
    for (let index = 0; index < count; index++) list.push(read(from))
    return list
  }
}

type Property = {
  readonly name: string
  /** The name as it is written. */
  readonly bytes: Uint8Array
  readonly read: Read
  readonly bit: number
}

function objectReader(node: Node): Read | undefined {
  const { properties = {}, required = [], additionalProperties } = node
  const names = Object.keys(properties)
  if (additionalProperties !== false || names.length > propertiesMax) return undefined
  const all: Property[] = []
  let needed = 0
  for (const [index, name] of names.entries()) {
    const read = readerOf(properties[name]!)
    if (read === undefined) return undefined
    const bit = 1 << index
    if (required.includes(name)) needed |= bit
    all.push({ name, bytes: Uint8Array.from(encode(name)), read, bit })
  }
  return objectReaderOf(all, needed)
}

function objectReaderOf(all: readonly Property[], needed: number): Read {
  /** Which property came at which place the last time. */
  const usual = [...all]
  const propertyAt = (from: Cursor, place: number): Property => {
    const likely = usual[place]
    if (likely !== undefined && from.passes(likely.bytes)) return likely
    for (const property of all) {
      if (!from.passes(property.bytes)) continue
      usual[place] = property
      return property
    }
    throw unexpected
  }
  return from => {
    const count = from.pairs()
    if (count > all.length) throw unexpected
    const object: Record<string, unknown> = {}
    let seen = 0
    for (let place = 0; place < count; place++) {
      const { name, read, bit } = propertyAt(from, place)
      if ((seen & bit) !== 0) throw unexpected
      seen |= bit
      object[name] = read(from)
    }
    if ((seen & needed) !== needed) throw unexpected
    return object
  }
}
