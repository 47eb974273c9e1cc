/** Wishes field by field: what differs between two, and what of one is worth writing down. */
import { isDeepStrictEqual } from 'node:util'

/** A field that is new (+), gone (-) or changed (~). */
export type Difference =
  | { readonly sign: '+'; readonly path: string; readonly to: unknown }
  | { readonly sign: '-'; readonly path: string; readonly from: unknown }
  | { readonly sign: '~'; readonly path: string; readonly from: unknown; readonly to: unknown }

/** The part of a schema that is looked at here. */
export type SchemaNode = {
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Lists the fields in which two values differ; lists count as one field each. */
export function differences(from: unknown, to: unknown, path = ''): readonly Difference[] {
  if (isDeepStrictEqual(from, to)) return []
  if (!isObject(from) || !isObject(to)) {
    if (from === undefined) return leaves(to, path).map(leaf => ({ sign: '+', ...leaf }))
    if (to === undefined) {
      return leaves(from, path).map(leaf => ({ sign: '-', path: leaf.path, from: leaf.to }))
    }
    return [{ sign: '~', path, from, to }]
  }
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  return names.flatMap(name => differences(from[name], to[name], joined(path, name)))
}

function leaves(value: unknown, path: string): readonly { path: string; to: unknown }[] {
  if (!isObject(value)) return [{ path, to: value }]
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, joined(path, name)))
}

const joined = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** Leaves out every field that is at its default; undefined: nothing is left. */
export function withoutDefaults(schema: SchemaNode, value: unknown): unknown {
  if (!isObject(value) || schema.properties === undefined) {
    return isDeepStrictEqual(value, schema.default) ? undefined : value
  }
  const kept = Object.entries(value)
    .map(([name, field]) => {
      const property = schema.properties?.[name]
      return [name, property ? withoutDefaults(property, field) : field] as const
    })
    .filter(([, field]) => field !== undefined)
  if (kept.length === 0 && schema.default !== undefined) return undefined
  return Object.fromEntries(kept)
}
