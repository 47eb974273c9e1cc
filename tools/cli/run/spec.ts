import type { Kind } from '#shared/model/index.ts'
import type { Option } from '../command.ts'
import { fieldNamed, splitField } from '../field.ts'
import type { Invocation } from '../invocation.ts'

/**
 * The spec that the options of a command say: each value goes into the field that its option stands
 * for, and what was not given is left out. Fields within the items of a list, and values that are
 * not yet what they stand for, such as names of files, are up to the command.
 */
export function specOf(
  { command, given }: Pick<Invocation, 'command' | 'given'>,
  kind: Kind
): Record<string, unknown> {
  const spec: Record<string, unknown> = {}
  for (const option of command.options ?? []) {
    if (option.field === undefined) continue
    const { kind: ofKind, path } = splitField(option.field)
    if (ofKind !== kind || path.includes('[]')) continue
    const value = valueFor(option, given)
    if (value !== undefined) put(spec, path.split('.'), value)
  }
  return spec
}

function valueFor(option: Option, given: Invocation['given']): unknown {
  const { name, type, field } = option
  if (type === 'pair') {
    const pairs = given.pairs(name)
    return Object.keys(pairs).length > 0 ? pairs : undefined
  }
  if (type === 'flag') return given.flag(name) ? fieldNamed(field!).default !== true : undefined
  if (option.repeatable) return given.texts(name).length === 0 ? undefined : given.texts(name)
  return type === 'text' ? given.text(name) : given.number(name)
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first = '', ...rest] = path
  if (rest.length === 0) into[first] = value
  else {
    const inner = (into[first] ?? {}) as Record<string, unknown>
    put(inner, rest, value)
    into[first] = inner
  }
}
