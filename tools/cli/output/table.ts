import { type Colour, oneLine, type Paint, plain } from '../terminal.ts'
import { cut, displayWidth, pad, wrap } from './width.ts'

/** What stands in one place of a table. */
export type Cell = { readonly text: string; readonly colour?: Colour }
/**
 * Head of a column, and the side on which its texts stand. Where there is no room, texts are cut;
 * those of a column of sentences go on in the next line instead, and those of one that keeps its
 * width, such as addresses, stay whole.
 */
export type TableColumn = {
  readonly title: string
  readonly right?: boolean
  readonly wraps?: boolean
  readonly keeps?: boolean
}

const gap = '  '
/** No column is made narrower than this to fit a terminal. */
const columnWidthMin = 6
/** Nor one of sentences, which gives room before all others. */
export const sentenceWidthMin = 22

/**
 * Writes rows in aligned columns. With a width, as on a terminal, columns are made narrower until
 * the rows fit: those of sentences first, then the widest; without one nothing is left out.
 */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly Cell[])[],
  options: { readonly width?: number | undefined; readonly paint?: Paint } = {}
): string {
  const paint = options.paint ?? plain
  const texts = rows.map(row => row.map(cell => oneLine(cell.text) || '-'))
  const natural = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...texts.map(row => displayWidth(row[index] ?? '')))
  )
  const { width } = options
  const widths = width === undefined ? natural : shrink(columns, natural, width)
  const line = (cells: readonly string[], colours: readonly (Colour | undefined)[]): string =>
    cells
      .map((text, index) => {
        const isLast = index === columns.length - 1
        const right = columns[index]!.right === true
        const short = cut(text, widths[index]!)
        const padded =
          isLast && !right ? short : pad(short, widths[index]!, right ? 'left' : 'right')
        const colour = colours[index]
        return colour === undefined ? padded : paint(colour, padded)
      })
      .join(gap)
      .trimEnd()
  const head = line(
    columns.map(column => column.title),
    columns.map(() => 'dim')
  )
  const body = texts.flatMap((row, index) =>
    linesOf(row, columns, widths).map(cells =>
      line(
        cells,
        rows[index]!.map(cell => cell.colour)
      )
    )
  )
  return `${[head, ...body].join('\n')}\n`
}

/** A row as lines: where a sentence goes on, all other columns are empty. */
function linesOf(
  row: readonly string[],
  columns: readonly TableColumn[],
  widths: readonly number[]
): readonly (readonly string[])[] {
  const cells = row.map((text, index) =>
    columns[index]?.wraps ? wrap(text, widths[index]!) : [text]
  )
  const height = Math.max(...cells.map(lines => lines.length))
  return Array.from({ length: height }, (_, at) => cells.map(lines => lines[at] ?? ''))
}

/** Takes room from sentences, then from the widest, until all fit, or none can give more. */
function shrink(
  columns: readonly TableColumn[],
  natural: readonly number[],
  width: number
): readonly number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1) - width
  const narrow = (isMeant: (index: number) => boolean, least: number): void => {
    while (excess > 0) {
      const meant = widths.map((one, index) => (isMeant(index) ? one : 0))
      const widest = Math.max(...meant)
      if (widest <= least) return
      widths[meant.lastIndexOf(widest)] = widest - 1
      excess--
    }
  }
  narrow(index => columns[index]!.wraps === true, sentenceWidthMin)
  const keeps = (index: number): boolean => columns[index]!.keeps === true
  narrow(index => columns[index]!.wraps !== true && !keeps(index), columnWidthMin)
  narrow(index => !keeps(index), columnWidthMin)
  return widths
}
