/**
 * Checks values that come from outside against a schema and says in sentences what is wrong with
 * them: where, which limit, and what was there instead. API, CLI, files and mesh all say it the
 * same way since all ask here.
 */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { at, complaint, isRepeated, keyOf, type RawError } from './complaint.ts'

/** One thing that is wrong with a value. */
export type Problem = {
  /** JSON pointer (RFC 6901) to the field; empty: the value as a whole. */
  readonly pointer: string
  /** What is wrong, as a sentence without its subject: `must be at least 1, not 0`. */
  readonly detail: string
}

/** No more problems than this are looked for in one value. */
export const problemsMax = 64

const compiled = new WeakMap<TSchema, (value: unknown) => readonly Problem[]>()

/**
 * Makes a check for a schema; a value without fault gives an empty list. The schema is compiled
 * when the check is first used, and once. Where a field has several faults, the first is told.
 */
export function validator(schema: TSchema): (value: unknown) => readonly Problem[] {
  return value => {
    let check = compiled.get(schema)
    if (check === undefined) {
      check = compile(schema)
      compiled.set(schema, check)
    }
    return check(value)
  }
}

function compile(schema: TSchema): (value: unknown) => readonly Problem[] {
  const program = Compile(schema)
  return value => {
    if (program.Check(value)) return []
    Settings.Set({ maxErrors: problemsMax })
    return problemsOf(schema, value, program.Errors(value) as readonly RawError[])
  }
}

function problemsOf(
  schema: TSchema,
  value: unknown,
  errors: readonly RawError[]
): readonly Problem[] {
  const problems = new Map<string, Problem>()
  const add = (pointer: string, detail: string): void => {
    if (!problems.has(pointer)) problems.set(pointer, { pointer, detail })
  }
  for (const error of errors) {
    if (isRepeated(error, errors)) continue
    const inner = error.keyword === 'anyOf' ? problemsOfForm(schema, value, error) : []
    for (const { pointer, detail } of inner) add(`${error.instancePath}${pointer}`, detail)
    if (inner.length > 0) continue
    if (error.keyword === 'required') {
      for (const name of error.params.requiredProperties ?? []) {
        add(`${error.instancePath}/${keyOf(name)}`, `"${name}" is missing`)
      }
    } else add(error.instancePath, complaint(schema, value, error))
  }
  if (problems.size === 0) add('', 'does not have the form that is asked for')
  return [...problems.values()]
}

/** What is wrong with a value that says by its `type` which of several forms it has. */
function problemsOfForm(schema: TSchema, value: unknown, error: RawError): readonly Problem[] {
  const found = at(value, error.instancePath)
  const { anyOf } = (at(schema, error.schemaPath) ?? {}) as SchemaNode
  const form = anyOf && isPlainObject(found) ? meantOf(anyOf, found) : undefined
  return form ? validator(form)(found) : []
}

/**
 * Gives the value with every field that was left out and has a default filled in, at every depth.
 * The argument and the schema's own defaults stay as they are. Nothing is checked or converted.
 */
export function withDefaults(schema: TSchema, value: unknown): unknown {
  const { default: fallback, properties, items, anyOf } = schema as SchemaNode
  const filled = value === undefined && fallback !== undefined ? copied(fallback) : value
  const meant = anyOf && isPlainObject(filled) ? meantOf(anyOf, filled) : undefined
  if (meant) return withDefaults(meant, filled)
  if (properties !== undefined && isPlainObject(filled)) {
    const result: Record<string, unknown> = { ...filled }
    for (const [name, property] of Object.entries(properties)) {
      const inner = withDefaults(property, Object.hasOwn(filled, name) ? filled[name] : undefined)
      if (inner !== undefined) result[name] = inner
    }
    return result
  }
  if (items !== undefined && Array.isArray(filled)) {
    return filled.map(element => withDefaults(items, element))
  }
  return filled
}

/** Of several forms the one that has the value's own `type`; undefined: no form says a type. */
const meantOf = (
  forms: readonly TSchema[],
  value: Readonly<Record<string, unknown>>
): TSchema | undefined =>
  forms.find(form => {
    const type = (form as SchemaNode).properties?.['type'] as SchemaNode | undefined
    return type?.const !== undefined && type.const === value['type']
  })

const copied = (value: unknown): unknown =>
  typeof value === 'object' ? structuredClone(value) : value

type SchemaNode = {
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly items?: TSchema
  readonly anyOf?: readonly TSchema[]
  readonly const?: unknown
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
