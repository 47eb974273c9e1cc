/**
 * An option that stands for a field of a wish says nothing of that field by itself: what it means,
 * its words, its limits and its default are those of the model. It adds its own name, and what only
 * the command line knows, such as that a value may be the name of a file.
 */
import type { Kind } from '#shared/model/index.ts'
import type { Option, OptionType } from './command.ts'
import { type Field, type FieldName, fieldNamed, writeExactly } from './field.ts'

/** What the command line adds to a field. */
export type FieldOption = {
  readonly field: FieldName
  /** Long name without the dashes. */
  readonly name: string
  /** What stands for the value in help; left out: the usual word for the type. */
  readonly value?: string
  readonly names?: Kind
  /** A further sentence. */
  readonly adds?: string
  /** What happens when it is left out, where the command line sees to it itself. */
  readonly default?: string
  /** Left out: as the model says. */
  readonly required?: boolean
}

/** Makes the option that stands for a field. */
export function fieldOption(own: FieldOption): Option {
  const field = fieldNamed(own.field)
  const inner = itemOf(own.field, field)
  const type = typeOf(inner)
  const isOfMany = field.type === 'list' || own.field.includes('[]')
  const fallback = own.default ?? defaultOf(field)
  const required = own.required ?? (field.required === true && !isOfMany)
  return {
    name: own.name,
    type,
    doc: docOf(field, { type, unit: inner.unit, adds: own.adds }),
    field: own.field,
    ...(type === 'flag' ? {} : { value: own.value ?? placeholderOf(own, type, inner.format) }),
    ...(inner.words === undefined ? {} : { words: inner.words }),
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(isOfMany ? { repeatable: true } : {}),
    ...(required ? { required: true } : {}),
    ...(own.names === undefined ? {} : { names: own.names }),
    ...(inner.minimum === undefined ? {} : { minimum: inner.minimum }),
    ...(inner.maximum === undefined ? {} : { maximum: inner.maximum })
  }
}

/** What one value of the option is: of a list, an item. */
const itemOf = (name: FieldName, field: Field): Field =>
  field.type === 'list' ? fieldNamed(`${name}[]` as FieldName) : field

function typeOf({ type, unit }: Field): OptionType {
  if (type === 'boolean') return 'flag'
  if (type !== 'integer') return 'text'
  return unit === 'MiB' ? 'size' : unit === 'ms' ? 'duration' : 'count'
}

function placeholderOf({ name, names }: FieldOption, type: OptionType, format?: string): string {
  if (names !== undefined) return 'NAME'
  if (type !== 'text') return type.toUpperCase()
  return format === 'ipv4' ? 'IP' : name.slice(name.lastIndexOf('-') + 1).toUpperCase()
}

function docOf(
  field: Field,
  own: {
    readonly type: OptionType
    readonly unit: string | undefined
    readonly adds?: string | undefined
  }
): string {
  const units: Readonly<Partial<Record<OptionType, string>>> = {
    size: 'Unit: MiB unless given.',
    duration: 'Unit: s unless given.',
    count: `Unit: ${own.unit ?? 'count'}.`
  }
  const meaning = own.type === 'flag' ? flagDoc(field) : field.doc
  return [meaning, own.adds, units[own.type]].filter(part => part !== undefined).join(' ')
}

/** A flag says the opposite of the default: "Whether it …" becomes "It …", or turns it off. */
function flagDoc({ doc, default: fallback }: Field): string {
  const statement = doc.replace(/^Whether /, '')
  return fallback === true
    ? `Turns off that ${statement}`
    : `${statement.charAt(0).toUpperCase()}${statement.slice(1)}`
}

/** The default as people read it; of a list, a flag or an empty text there is nothing to say. */
function defaultOf({ default: fallback, unit }: Field): string | undefined {
  if (typeof fallback === 'number') return writeExactly(fallback, unit)
  return typeof fallback === 'string' && fallback !== '' ? fallback : undefined
}
