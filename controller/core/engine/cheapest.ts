/**
 * A short list of the hosts where a demand would cost least: each dimension's part of the score
 * rises about in proportion to its sum of squares, so hosts are told apart without a square root,
 * and only the few best are looked at closely.
 *
 * Demands that take the same cost the same, so what hosts cost is kept in one row for all of them.
 * A row is filled when it is first asked for; later only the hosts that have changed since are
 * reckoned anew.
 */
import { CostRow } from './cost-row.ts'
import { deviation, type Layout } from './layout.ts'

/** Gives hosts to look at, as a list for one use. */
export type Listed = { readonly of: (demand: number, asSecond: boolean) => Int32Array }

/** The most costs that are kept in rows. */
const cellsMax = 1 << 21
/** To follow one change in a row is as much work as to fill it with so many hosts. */
const followWork = 12
/** Keys of rows are below this. */
const keysMost = 2 ** 31

/** Lists hosts for one layout; `refresh` when the score has changed much. */
export class Cheapest implements Listed {
  readonly #layout: Layout
  readonly #most: number
  readonly #slope: Float64Array
  /** By dimension and place in the list of all: how a cost grows with an amount, and its square. */
  readonly #rise: Float64Array
  readonly #bend: Float64Array
  readonly #every: Int32Array
  /** By host: its place in the list of all, or -1. */
  readonly #placeOf: Int32Array
  readonly #rowsMost: number
  readonly #rows: CostRow[] = []
  readonly #rowByKey = new Map<number, CostRow>()
  /** By demand, and once more for second seats. */
  readonly #rowOf = new Map<number, CostRow>()
  /** Places that have changed since all rows were to be filled anew. */
  readonly #changed: Int32Array
  #changes = 0
  /** All hosts, for those for whom the short list is too short. */
  readonly all: Listed

  /** At most so many of these hosts are listed. */
  constructor(layout: Layout, hosts: Int32Array, most: number) {
    const { dimensions } = layout
    this.#layout = layout
    this.#every = hosts
    this.#most = Math.min(most, hosts.length)
    this.#slope = new Float64Array(dimensions)
    this.#rise = new Float64Array(hosts.length * dimensions)
    this.#bend = new Float64Array(hosts.length * dimensions)
    this.#placeOf = new Int32Array(layout.hosts).fill(-1)
    for (let place = 0; place < hosts.length; place += 1) this.#placeOf[hosts[place]!] = place
    this.#rowsMost = Math.max(1, Math.floor(cellsMax / Math.max(1, hosts.length)))
    this.#changed = new Int32Array(hosts.length)
    this.all = { of: () => hosts }
    this.refresh()
  }

  /** Follows the layout. */
  refresh(): void {
    if (this.isWhole) return
    const { dimensions, weight, sum, square, openHosts } = this.#layout
    for (let d = 0; d < dimensions; d += 1) {
      const spread = deviation(sum[d]!, square[d]!, openHosts)
      this.#slope[d] = spread > 0 ? weight[d]! / spread : 0
    }
    for (let place = 0; place < this.#every.length; place += 1) this.#reckon(place)
    this.#empty()
  }

  /** Follows one host. */
  renew(host: number): void {
    const place = this.#placeOf[host]!
    if (place < 0 || this.isWhole) return
    this.#reckon(place)
    if (this.#changes === this.#changed.length) this.#empty()
    this.#changed[this.#changes] = place
    this.#changes += 1
  }

  /** The hosts that cost least for a first seat, or for a second one. */
  of(demand: number, asSecond: boolean): Int32Array {
    if (this.isWhole) return this.#every
    const number = 2 * demand + Number(asSecond)
    const row = this.#rowOf.get(number) ?? this.#rowFor(demand, asSecond)
    if (row.followed === this.#changes) return row.list
    const behind = (this.#changes - row.followed) * followWork
    if (row.followed < 0 || behind > this.#every.length) row.fill(this.#rise, this.#bend)
    else row.follow(this.#rise, this.#bend, this.#changed.subarray(row.followed, this.#changes))
    row.followed = this.#changes
    return row.write(this.#every)
  }

  /** Whether the list is of all hosts, so that nothing needs to be worked out. */
  get isWhole(): boolean {
    return this.#most === this.#every.length
  }

  /** Has all rows filled anew. */
  #empty(): void {
    this.#changes = 0
    for (const row of this.#rows) row.followed = -1
  }

  #reckon(place: number): void {
    const { dimensions, scale, value, sum, openHosts } = this.#layout
    const [from, count] = [this.#every[place]! * dimensions, this.#every.length]
    for (let d = 0; d < dimensions; d += 1) {
      const steep = this.#slope[d]! * scale[from + d]!
      this.#rise[d * count + place] = 2 * steep * (value[from + d]! - sum[d]! / openHosts)
      this.#bend[d * count + place] = steep * scale[from + d]!
    }
  }

  /** The row of a demand that has not asked before. */
  #rowFor(demand: number, asSecond: boolean): CostRow {
    const { dimensions, amount, both } = this.#layout
    const amounts: number[] = []
    let key = 0
    for (let d = 0; d < dimensions; d += 1) {
      const each = asSecond && both[d] === 0 ? 0 : amount[demand * dimensions + d]!
      amounts.push(each)
      key = (key * 31 + each) % keysMost
    }
    let row = this.#rowByKey.get(key)
    // Two that take differently and have one key have rows of their own.
    if (!row?.isOf(amounts)) {
      if (this.#rows.length === this.#rowsMost) this.#drop()
      row = new CostRow(amounts, this.#every.length, this.#most)
      this.#rows.push(row)
      this.#rowByKey.set(key, row)
    }
    this.#rowOf.set(2 * demand + Number(asSecond), row)
    return row
  }

  /** Makes room for other rows. */
  #drop(): void {
    this.#rows.length = 0
    this.#rowByKey.clear()
    this.#rowOf.clear()
  }
}
