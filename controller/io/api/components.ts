/**
 * Schemas that have a name in the API's description. Each is written once, and everywhere else
 * there is a reference to it.
 */
import type { TSchema } from 'typebox'
import { type Kind, kindNames, kinds } from '#shared/model/index.ts'
import { Condition } from '#shared/model/resource.ts'
import { documentSchema, HistoryReply, PatchBody, ProblemBody, WhyReply } from './schemas.ts'

const capital = (kind: Kind): string => kind.slice(0, 1).toUpperCase() + kind.slice(1)

const named = new Map<unknown, string>([
  [Condition, 'Condition'],
  [ProblemBody, 'Problem'],
  [HistoryReply, 'History'],
  [WhyReply, 'Why'],
  [PatchBody, 'Patch'],
  ...kindNames.flatMap((kind): [unknown, string][] => [
    [documentSchema(kind), capital(kind)],
    [kinds[kind].spec, `${capital(kind)}Spec`],
    [kinds[kind].status, `${capital(kind)}Status`]
  ])
])

/** Every named schema, for the web framework, with references in it to the others. */
export const components = (): readonly object[] =>
  [...named].map(([schema, name]) => ({ $id: name, ...inner(schema as object) }))

/** The schema with a reference in place of each named one. */
export function referring(schema: TSchema): object {
  const name = named.get(schema)
  return name === undefined ? inner(schema) : { $ref: `${name}#` }
}

function inner(schema: object): object {
  if (Array.isArray(schema)) return schema.map(one => within(one))
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, within(value)]))
}

const within = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? referring(value as TSchema) : value
