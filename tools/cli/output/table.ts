import { type Colour, oneLine, type Paint, plain } from '../terminal.ts'
import { cut, displayWidth, pad } from './width.ts'

/** What stands in one place of a table. */
export type Cell = { readonly text: string; readonly colour?: Colour }
/** Head of a column, and the side on which its texts stand. */
export type TableColumn = { readonly title: string; readonly right?: boolean }

const gap = '  '
/** No column is made narrower than this to fit a terminal. */
const columnWidthMin = 6

/**
 * Writes rows in aligned columns. With a width, as on a terminal, the widest columns are cut until
 * the rows fit; without one nothing is left out.
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
  const widths = options.width === undefined ? natural : shrink(natural, options.width)
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
  const body = texts.map((row, index) =>
    line(
      row,
      rows[index]!.map(cell => cell.colour)
    )
  )
  return `${[head, ...body].join('\n')}\n`
}

/** Takes columns away from the widest until all fit, or until none can give more. */
function shrink(natural: readonly number[], width: number): readonly number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1) - width
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= columnWidthMin) break
    widths[widths.lastIndexOf(widest)] = widest - 1
    excess--
  }
  return widths
}
