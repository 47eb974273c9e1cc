/** Writes one document for people: what it is, what is desired, what is observed, and why. */
import type { ResourceDocument } from '#shared/model/index.ts'
import { oneLine, type Paint, printable } from '../terminal.ts'
import { writeLabels } from './columns.ts'
import { renderTable, sentenceWidthMin } from './table.ts'
import { colourOf, typeOfField, writeAge, writeValue } from './values.ts'
import { pad, wrap } from './width.ts'

type Row = { readonly depth: number; readonly name: string; readonly text: string }

/** Describes a resource. */
export function describeDocument(
  document: ResourceDocument,
  options: { readonly now: number; readonly paint: Paint; readonly width: number | undefined }
): string {
  const { now, paint, width } = options
  const { kind, name, tenant, id, generation, observedGeneration, createdAt } = document
  const head: Row[] = [
    ...(tenant === undefined ? [] : [{ depth: 1, name: 'tenant', text: tenant }]),
    { depth: 1, name: 'id', text: id },
    ...(Object.keys(document.labels).length === 0
      ? []
      : [{ depth: 1, name: 'labels', text: writeLabels(document.labels) }]),
    { depth: 1, name: 'created', text: `${createdAt} (${writeAge(createdAt, now)} ago)` },
    { depth: 1, name: 'generation', text: `${generation} (observed ${observedGeneration})` }
  ]
  const parts = [
    `${paint('bold', oneLine(`${kind}/${name}`))}\n${renderRows(head, paint)}`,
    section('desired', rowsOf(document.spec, now), { paint, width }),
    section('observed', rowsOf(document.status, now), { paint, width })
  ]
  if (document.conditions.length > 0) {
    const rows = document.conditions.map(condition => [
      { text: condition.type },
      colouredCell(condition.status),
      { text: condition.reason },
      { text: condition.message }
    ])
    const titles = [
      ...['CONDITION', 'STATUS', 'REASON'].map(title => ({ title })),
      { title: 'MESSAGE', wraps: true }
    ]
    parts.push(`\n${renderTable(titles, rows, { paint, width })}`)
  }
  return parts.join('')
}

const colouredCell = (word: string) => {
  const colour = colourOf(word)
  return colour === undefined ? { text: word } : { text: word, colour }
}

type Shown = { readonly paint: Paint; readonly width: number | undefined }

const section = (title: string, rows: readonly Row[], { paint, width }: Shown): string =>
  rows.length === 0 ? '' : `${paint('bold', title)}\n${renderRows(rows, paint, width)}`

/** Describes any object as indented names and values; units are told by the names of fields. */
export const describeObject = (value: object, now: number, paint: Paint): string =>
  renderRows(rowsOf(value, now, 0), paint)

/** What does not fit into the room goes on below; where there is none given, nothing is broken. */
function renderRows(rows: readonly Row[], paint: Paint, room = Number.POSITIVE_INFINITY): string {
  const width = Math.max(0, ...rows.map(row => row.depth * 2 + row.name.length)) + 2
  return rows
    .map(row => {
      const indent = ' '.repeat(row.depth * 2)
      const label = pad(`${indent}${oneLine(row.name)}`, width)
      const left = Math.max(sentenceWidthMin, room - width)
      const lines = printable(row.text)
        .split('\n')
        .flatMap(line => wrap(line, left))
      const text = lines.join(`\n${' '.repeat(width)}`)
      const colour = row.name === 'phase' ? colourOf(row.text) : undefined
      return `${label}${colour === undefined ? text : paint(colour, text)}`.trimEnd()
    })
    .map(line => `${line}\n`)
    .join('')
}

function rowsOf(value: object, now: number, depth = 1): readonly Row[] {
  return Object.entries(value).flatMap(([name, field]) => rowsOfField(name, field, { now, depth }))
}

function rowsOfField(
  name: string,
  field: unknown,
  at: { readonly now: number; readonly depth: number }
): readonly Row[] {
  const { now, depth } = at
  if (Array.isArray(field) && field.some(item => typeof item === 'object' && item !== null)) {
    return [
      { depth, name, text: '' },
      ...field.map(item => ({ depth: depth + 1, name: '-', text: writeInline(item, now) }))
    ]
  }
  if (typeof field === 'object' && field !== null && !Array.isArray(field)) {
    const inner = rowsOf(field, now, depth + 1)
    return inner.length === 0 ? [] : [{ depth, name, text: '' }, ...inner]
  }
  const type = typeOfField(name)
  const text = writeValue(field, type, now)
  if (text === '') return []
  return [{ depth, name, text: type === 'moment' ? `${String(field)} (${text} ago)` : text }]
}

function writeInline(item: unknown, now: number): string {
  if (typeof item !== 'object' || item === null) return writeValue(item, 'text', now)
  return Object.entries(item)
    .map(([name, value]) => [name, writeValue(value, typeOfField(name), now)] as const)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name} ${text}`)
    .join(', ')
}
