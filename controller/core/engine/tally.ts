/**
 * Counts by row and column, of which most are zero: an array as long as that is small, else a map.
 */

/** The most cells that are kept as an array. */
const cellsMax = 1 << 24

/** Whole numbers by row and column. */
export class Tally {
  readonly #columns: number
  /** All cells, row by row, unless there are too many. */
  readonly cells: Int32Array | undefined
  readonly #sparse = new Map<number, number>()

  constructor(rows: number, columns: number) {
    this.#columns = columns
    this.cells = rows * columns <= cellsMax ? new Int32Array(rows * columns) : undefined
  }

  get(row: number, column: number): number {
    const cell = row * this.#columns + column
    return this.cells ? this.cells[cell]! : (this.#sparse.get(cell) ?? 0)
  }

  /** Adds to a cell and gives what it is then. */
  add(row: number, column: number, amount: number): number {
    const cell = row * this.#columns + column
    if (this.cells) {
      this.cells[cell]! += amount
      return this.cells[cell]!
    }
    const sum = (this.#sparse.get(cell) ?? 0) + amount
    if (sum === 0) this.#sparse.delete(cell)
    else this.#sparse.set(cell, sum)
    return sum
  }
}
