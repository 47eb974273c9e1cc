/** What the model says of the fields of a wish, as the command line asks for it. */
import type { Kind } from '#shared/model/index.ts'
import { event } from './fields/event.ts'
import { host } from './fields/host.ts'
import { image } from './fields/image.ts'
import { instance } from './fields/instance.ts'
import { job } from './fields/job.ts'
import { network } from './fields/network.ts'
import { pool } from './fields/pool.ts'
import { port } from './fields/port.ts'
import { size } from './fields/size.ts'
import { subnet } from './fields/subnet.ts'
import { tenant } from './fields/tenant.ts'
import { volume } from './fields/volume.ts'

/** A field of a wish: what it means, and what may stand in it. */
export type Field = {
  readonly doc: string
  /** A `name` is 1 to 63 lower-case letters, digits and dashes, no dash at either end. */
  readonly type: 'text' | 'name' | 'integer' | 'number' | 'boolean' | 'list' | 'object'
  readonly unit?: string
  /** The only values that it takes. */
  readonly words?: readonly string[]
  readonly required?: true
  /** What it is when it is left out. */
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  /** Unit: characters. */
  readonly lengthMin?: number
  readonly lengthMax?: number
  readonly itemsMax?: number
  readonly pattern?: string
  readonly format?: string
}

/** What the model says of a kind. */
export type KindFields = {
  readonly doc: string
  readonly plural: string
  readonly scope: 'tenant' | 'cloud'
  readonly creatable: boolean
  /** By their paths, such as `restart.policy` or `ports[].network`; the outer ones come first. */
  readonly spec: Readonly<Record<string, Field>>
}

const model = {
  tenant,
  host,
  pool,
  volume,
  image,
  network,
  subnet,
  port,
  instance,
  size,
  event,
  job
}
type Model = typeof model

/** A field with its kind, such as `instance.memoryMib`; the compiler knows them all. */
export type FieldName = {
  [Each in Kind]: `${Each}.${Extract<keyof Model[Each]['spec'], string>}`
}[Kind]

const byKind: { readonly [Each in Kind]: KindFields } = model

/** Gives what the model says of a kind. */
export const fieldsOf = (kind: Kind): KindFields => byKind[kind]

/** Splits the name of a field into its kind and its path. */
export function splitField(name: FieldName): { readonly kind: Kind; readonly path: string } {
  const dot = name.indexOf('.')
  return { kind: name.slice(0, dot) as Kind, path: name.slice(dot + 1) }
}

/** Gives what the model says of a field. */
export function fieldNamed(name: FieldName): Field {
  const { kind, path } = splitField(name)
  return fieldsOf(kind).spec[path]!
}

/** Says between which numbers a value must lie; undefined: there is no limit. */
export function rangeOf(
  {
    minimum,
    maximum
  }: { readonly minimum?: number | undefined; readonly maximum?: number | undefined },
  unit?: string
): string | undefined {
  const [least, most] = [minimum, maximum].map(limit =>
    limit === undefined ? undefined : writeExactly(limit, unit)
  )
  if (least !== undefined && most !== undefined) return `between ${least} and ${most}`
  if (least !== undefined) return `at least ${least}`
  return most === undefined ? undefined : `at most ${most}`
}

const steps: Readonly<Record<string, readonly (readonly [size: number, name: string])[]>> = {
  MiB: [
    [2 ** 20, 'TiB'],
    [2 ** 10, 'GiB'],
    [1, 'MiB']
  ],
  ms: [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
    [1_000, 's'],
    [1, 'ms']
  ]
}

/** Writes a number in the largest unit in which it is whole; options take it so. */
export function writeExactly(value: number, unit?: string): string {
  const step = steps[unit ?? '']?.find(([size]) => value >= size && value % size === 0)
  if (step) return `${value / step[0]} ${step[1]}`
  return steps[unit ?? ''] === undefined ? String(value) : `${value} ${unit}`
}
