/** Says what the fields of a kind mean and what may stand in them, as the model has it. */
import type { Kind } from '#shared/model/index.ts'
import { nameOf } from '../command.ts'
import { UsageFault } from '../failure.ts'
import { type Field, fieldsOf, type KindFields, rangeOf } from '../field.ts'
import { wrap } from '../help.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw, renderRows } from '../output/results.ts'
import { closest } from '../suggest.ts'
import { allCommands } from '../table.ts'
import { readKindOfUser } from './subject.ts'

/** A field with its path below the spec. */
type NamedField = Field & { readonly name: string }

/** What was asked for: a kind with all fields, or with one and those within it. */
type Explanation = {
  readonly kind: Kind
  /** Path of the field that was asked for; undefined: all of them. */
  readonly path: string | undefined
  readonly about: KindFields
  readonly fields: readonly NamedField[]
}

/** Explains a kind, or one of its fields. */
export async function explainFields(invocation: Invocation): Promise<void> {
  const explanation = find(invocation.given.positional('KIND[.FIELD]')!)
  const { kind, about, fields } = explanation
  const raw = await renderRaw(invocation, { kind, doc: about.doc, fields })
  if (raw !== undefined) return invocation.write(raw)
  if (invocation.settings.format === 'name') {
    return invocation.write(fields.map(({ name }) => `${kind}.${name}\n`).join(''))
  }
  invocation.write(headOf(invocation, explanation))
  if (invocation.settings.format === 'wide') return invocation.write(wideTable(invocation, fields))
  invocation.write(tableWithDocs(invocation, explanation))
}

/** Reads `instance.ports[].network`, also as problems write it: `instance.spec.ports.0.network`. */
function find(asked: string): Explanation {
  const [word = '', ...rest] = asked.split('.')
  const { kind } = readKindOfUser(word)
  const about = fieldsOf(kind)
  const steps = rest[0] === 'spec' ? rest.slice(1) : rest
  const all = Object.entries(about.spec).map(([name, field]) => ({ name, ...field }))
  const wanted = bare(steps.join('.'))
  if (wanted === '') return { kind, path: undefined, about, fields: all }
  const fields = all.filter(({ name }) => `${bare(name)}.`.startsWith(`${wanted}.`))
  if (fields.length > 0) return { kind, path: fields[0]!.name, about, fields }
  const meant = closest(steps.join('.'), Object.keys(about.spec))
  throw new UsageFault(`cannot find the field "${steps.join('.')}" of the kind ${kind}`, {
    reasons: [`it has ${outermost(about)}`],
    next: meant === undefined ? [] : [`did you mean "${kind}.${meant}"?`]
  })
}

/** A path without what tells items apart. */
const bare = (path: string): string => path.replaceAll('[]', '').replaceAll(/\.\d+(?=\.|$)/g, '')

const outermost = ({ spec }: KindFields): string =>
  Object.keys(spec)
    .filter(path => !/[.[]/.test(path))
    .join(', ')

function headOf({ paint }: Invocation, { kind, path, about, fields }: Explanation): string {
  if (path === undefined) return `${paint('bold', kind)}: ${about.doc}\n\n`
  const [{ doc, pattern }] = fields as readonly [NamedField]
  const isWhole = fields.length > 1
  const fallback = about.creatable && !isWhole ? 'It is set in a file for apply.' : undefined
  const setter = optionFor(kind, path) ?? fallback
  return [
    `${paint('bold', `${kind}.${path}`)}: ${doc}`,
    ...(pattern === undefined ? [] : [`It must match ${pattern}`]),
    ...(setter === undefined ? [] : [setter]),
    '\n'
  ].join('\n')
}

/** Which option sets the field, if one does. */
function optionFor(kind: Kind, path: string): string | undefined {
  const name = `${kind}.${path}`
  const own = allCommands.filter(({ noun }) => noun === kind)
  for (const command of [...own, ...allCommands]) {
    const option = command.options?.find(({ field }) => field === name)
    if (option) return `It is set by --${option.name} of "remuda ${nameOf(command)}".`
  }
  return undefined
}

const titles = ['FIELD', 'TYPE', 'UNIT', 'DEFAULT', 'BOUNDS']

const cellsOf = (field: NamedField): readonly string[] => [
  field.name,
  field.type,
  field.unit ?? '',
  field.required ? 'required' : field.default === undefined ? '' : writeInFile(field.default),
  boundsOf(field)
]

const wideTable = (invocation: Invocation, fields: readonly NamedField[]): string =>
  renderRows(
    invocation,
    [...titles, 'MEANING'],
    fields.map(field => [...cellsOf(field), field.doc])
  )

/** Columns that a text may take where there is no terminal. */
const columnsUsual = 100

/** The table with the meaning of each field below its row; that of the one asked for is told. */
function tableWithDocs(invocation: Invocation, { path, fields }: Explanation): string {
  const { output } = invocation.terminal
  const columns = output.isTTY === true ? (output.columns ?? columnsUsual) : columnsUsual
  const [head, ...rows] = renderRows(invocation, titles, fields.map(cellsOf)).trimEnd().split('\n')
  const lines = rows.flatMap((row, index) => {
    const { name, doc: meaning } = fields[index]!
    const doc = name === path ? [] : wrap(meaning, columns - 4)
    return [row, ...doc.map(line => `    ${invocation.paint('dim', line)}`)]
  })
  return `${[head, ...lines].join('\n')}\n`
}

/** What may stand in a field, beside its type. */
function boundsOf(field: Field): string {
  const { words, format, lengthMin, lengthMax, itemsMax } = field
  if (words !== undefined) return words.join(', ')
  if (format !== undefined) return formatNames[format] ?? format
  const length = rangeOf({ minimum: lengthMin, maximum: lengthMax })
  if (length !== undefined) return `${length} characters`
  if (itemsMax !== undefined) return `at most ${itemsMax} items`
  return rangeOf(field) ?? ''
}

const formatNames: Readonly<Record<string, string>> = { ipv4: 'IPv4 address' }

/** A value as one writes it into a file. */
function writeInFile(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '""' : value
  if (Array.isArray(value)) return `[${value.map(writeInFile).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([name, one]) => `${name}: ${writeInFile(one)}`)
  return `{${members.join(', ')}}`
}
