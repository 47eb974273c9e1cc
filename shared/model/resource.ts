/**
 * What all kinds share. A resource is stored as its wish (`spec`, by users) and what the
 * controller has decided about it (`decided`, by decisions); both are in the journal. What is
 * observed is reported again and again by agents and never stored: `status` and `conditions` are
 * worked out of the three when somebody looks.
 */
import Type from 'typebox'
import type { Generation, Id } from '../ids.ts'

/** The pattern of every name: a DNS label, so that it can be a host name. */
export const namePattern = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'

/** The schema of a field that names a resource, as `namePattern` says. */
export const Name = (description: string, options: { readonly default?: string } = {}) =>
  Type.String({ pattern: namePattern, maxLength: 63, description, ...options })

/**
 * The schema of labels: keys as in DNS, with dots and slashes; at most 64 of at most 253
 * characters.
 */
export const Labels = Type.Record(
  Type.String({ pattern: '^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$' }),
  Type.String({ maxLength: 253 }),
  {
    description: 'Words of your own to find and group resources by.',
    default: {},
    maxProperties: 64,
    additionalProperties: false
  }
)

/** One thing that is or is not so of a resource, and why, worked out when somebody looks. */
export const Condition = Type.Object(
  {
    type: Type.String({ description: 'What is said: placed, running, volumes-ready, reachable.' }),
    status: Type.Union([Type.Literal('true'), Type.Literal('false'), Type.Literal('unknown')], {
      description: 'Whether it is so.'
    }),
    reason: Type.String({ description: 'One word for programs, such as no-host-fits.' }),
    message: Type.String({ description: 'The sentence for people, with numbers.' })
  },
  { additionalProperties: false }
)
export type Condition = {
  readonly type: string
  readonly status: 'true' | 'false' | 'unknown'
  readonly reason: string
  readonly message: string
}

/** A moment, as everywhere in the API. */
export const Timestamp = (description: string) =>
  Type.String({ format: 'date-time', description: `${description} RFC 3339, UTC.` })

/** In the order in which they are listed, those that others refer to first. */
export const kindNames = [
  'tenant',
  'host',
  'pool',
  'volume',
  'image',
  'network',
  'subnet',
  'port',
  'instance',
  'size',
  'event',
  'job'
] as const

/** The name of a kind, as in paths, references and the journal. */
export type Kind = (typeof kindNames)[number]

/** A resource as the journal keeps it. `generation` is raised by each change of `spec`. */
export type Stored<K extends Kind, Spec, Decided> = {
  readonly kind: K
  readonly id: Id
  readonly name: string
  readonly tenant?: string
  readonly labels: Readonly<Record<string, string>>
  readonly spec: Spec
  readonly decided: Decided
  readonly generation: Generation
  /** RFC 3339, UTC. */
  readonly createdAt: string
}

/** What is decided of kinds of which nothing is: their wish is all that there is. */
export type NothingDecided = Readonly<Record<string, never>>

/** How a kind is called, who owns it, and the schemas of its parts. */
export type KindDefinition = {
  readonly kind: Kind
  readonly plural: string
  /** First part of the ids. */
  readonly prefix: string
  readonly scope: 'tenant' | 'cloud'
  /** Whether users create it; hosts join, events and jobs come about. */
  readonly creatable: boolean
  readonly doc: string
  readonly spec: Type.TObject
  readonly status: Type.TObject
}

/** An object schema that refuses unknown fields. */
export const Strict = <Properties extends Type.TProperties>(
  properties: Properties,
  options: Type.TObjectOptions = {}
) => Type.Object(properties, { ...options, additionalProperties: false })

/** The schema of a field that is one of some words; others are refused with the nearest. */
export const Words = <const Values extends readonly string[]>(
  values: Values,
  options: { readonly description: string; readonly default?: Values[number] }
) => Type.Unsafe<Values[number]>(Type.Enum([...values], options))

/** The schema of a size in whole MiB, with its bounds. */
export const mib = (description: string, minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: `${description} Unit: MiB.` })
