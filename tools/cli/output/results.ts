/** Writes what a command found, in the format that was asked for. */
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import type { ResourceList } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { writeReference } from '../kinds.ts'
import { oneLine } from '../terminal.ts'
import { chooseColumns, headsOf, rowOf } from './columns.ts'
import { describeDocument } from './document.ts'
import { type Cell, renderTable, sentenceWidthMin, type TableColumn } from './table.ts'
import { wrap } from './width.ts'

type Shown = Pick<Invocation, 'settings' | 'terminal' | 'paint'>

/** Width to which tables are cut: the terminal's; undefined, nothing is cut, elsewhere. */
const widthOf = (invocation: Pick<Invocation, 'terminal'>): number | undefined =>
  invocation.terminal.output.isTTY === true ? (invocation.terminal.output.columns ?? 80) : undefined

/** Writes a value as indented JSON. */
export const writeJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

/** Writes a value that has no table of its own, as JSON or YAML; undefined: neither was asked. */
export async function renderRaw(invocation: Shown, value: unknown): Promise<string | undefined> {
  if (invocation.settings.format === 'json') return writeJson(value)
  if (invocation.settings.format !== 'yaml') return undefined
  const { writeYaml } = await import('./yaml.ts')
  return writeYaml(value)
}

/** Writes a list of one kind. */
export async function renderList(
  invocation: Shown,
  options: {
    readonly kind: Kind
    readonly list: ResourceList
    readonly columns: string | undefined
    readonly now: number
  }
): Promise<string> {
  const { kind, list, now } = options
  const { settings, paint } = invocation
  const raw = await renderRaw(invocation, list)
  if (raw !== undefined) return raw
  if (settings.format === 'name') {
    return list.items.map(item => `${nameOfDocument(item)}\n`).join('')
  }
  const columns = chooseColumns(kind, {
    wide: settings.format === 'wide',
    withTenant: settings.tenant === '*',
    asked: options.columns
  })
  const rows = list.items.map(item => rowOf(item, columns, now))
  return renderTable(headsOf(columns), rows, { width: widthOf(invocation), paint })
}

/** Writes one document. */
export async function renderDocument(
  invocation: Shown,
  document: ResourceDocument,
  now: number
): Promise<string> {
  const { settings, paint } = invocation
  const raw = await renderRaw(invocation, document)
  if (raw !== undefined) return raw
  if (settings.format === 'name') return `${nameOfDocument(document)}\n`
  return describeDocument(document, { now, paint, width: widthOf(invocation) })
}

/** Writes rows that are not resources. */
export const renderRows = (
  invocation: Pick<Invocation, 'terminal' | 'paint'>,
  titles: readonly (string | TableColumn)[],
  rows: readonly (readonly (string | Cell)[])[]
): string =>
  renderTable(
    titles.map(title => (typeof title === 'string' ? { title } : title)),
    rows.map(row => row.map(cell => (typeof cell === 'string' ? { text: cell } : cell))),
    { width: widthOf(invocation), paint: invocation.paint }
  )

/** Writes a sentence below others, indented, and broken between words on a terminal. */
export function renderParagraph(
  invocation: Pick<Invocation, 'terminal'>,
  text: string,
  indents: { readonly first: string; readonly next: string } = { first: '  ', next: '    ' }
): string {
  const width = widthOf(invocation) ?? Number.POSITIVE_INFINITY
  const lines = wrap(oneLine(text), Math.max(sentenceWidthMin, width - indents.next.length))
  return `${indents.first}${lines.join(`\n${indents.next}`)}\n`
}

/** Writes KIND/NAME of a document. */
const nameOfDocument = (document: ResourceDocument): string =>
  writeReference({ kind: document.kind, name: document.name })
