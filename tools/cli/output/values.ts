/** How the values of documents are written for people. */
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMib, formatMs } from '#shared/units.ts'
import type { Colour } from '../terminal.ts'

/** How a value is meant; worked out of the name of its field where nothing else is said. */
export type ValueType = 'text' | 'mib' | 'bytes' | 'ms' | 'moment' | 'percent'

/** Longest list that is written out. */
const listItemsMax = 12

/** The type that a field's name tells: units stand last in it. */
export function typeOfField(field: string): ValueType {
  if (field.endsWith('Mib')) return 'mib'
  if (field.endsWith('Bytes')) return 'bytes'
  if (field.endsWith('Percent')) return 'percent'
  if (/Ms(Min|Max|Ago)?$/.test(field)) return 'ms'
  if (/[a-z]At$/.test(field)) return 'moment'
  return 'text'
}

/** Finds a value by a dotted path; `labels.` takes the rest as one name, `conditions.` a type. */
export function valueAt(document: object, path: string): unknown {
  const fields = document as Readonly<Record<string, unknown>>
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) return fields[first]
  const value = fields[first]
  if (typeof value !== 'object' || value === null) return undefined
  if (first === 'labels') return (value as Readonly<Record<string, unknown>>)[rest.join('.')]
  if (first === 'conditions' && Array.isArray(value)) {
    return (document as ResourceDocument).conditions.find(one => one.type === rest[0])?.status
  }
  return valueAt(value, rest.join('.'))
}

/** Writes one value in its unit; nothing becomes an empty text. */
export function writeValue(value: unknown, type: ValueType, now: number): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return writeList(value, type, now)
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return writeNumber(value, type)
  if (typeof value === 'object') return JSON.stringify(value)
  return type === 'moment' ? writeAge(String(value), now) : String(value)
}

function writeList(values: readonly unknown[], type: ValueType, now: number): string {
  const shown = values.slice(0, listItemsMax).map(value => writeValue(value, type, now))
  const rest = values.length - shown.length
  return rest > 0 ? `${shown.join(', ')}, … (${values.length} in all)` : shown.join(', ')
}

function writeNumber(value: number, type: ValueType): string {
  switch (type) {
    case 'mib':
      return formatMib(value)
    case 'bytes':
      return value < 1024 ? `${value} B` : formatMib(value / 2 ** 20)
    case 'ms':
      return formatMs(value)
    case 'percent':
      return `${value} %`
    case 'text':
    case 'moment':
      return String(Math.round(value * 1000) / 1000)
    default:
      return type satisfies never
  }
}

/** How long ago a moment (RFC 3339) was. */
export function writeAge(moment: string, now: number): string {
  const at = Date.parse(moment)
  return Number.isNaN(at) ? moment : formatMs(Math.max(0, now - at))
}

const colours: Readonly<Record<string, Colour>> = {
  running: 'green',
  ready: 'green',
  online: 'green',
  active: 'green',
  done: 'green',
  true: 'green',
  ok: 'green',
  failed: 'red',
  silent: 'red',
  suspect: 'red',
  fencing: 'red',
  fenced: 'red',
  alarm: 'red',
  fail: 'red',
  pending: 'yellow',
  starting: 'yellow',
  stopping: 'yellow',
  creating: 'yellow',
  waiting: 'yellow',
  deleting: 'yellow',
  draining: 'yellow',
  maintenance: 'yellow',
  recovering: 'yellow',
  late: 'yellow',
  unknown: 'yellow',
  warning: 'yellow',
  warn: 'yellow',
  paused: 'cyan',
  false: 'yellow'
}

/** The colour of a phase or another such word, if it has one. */
export const colourOf = (word: string): Colour | undefined =>
  Object.hasOwn(colours, word) ? colours[word] : undefined
