/**
 * What one host would best send away and take in, when each shape has its price for coming and
 * for leaving: of all sums of both the one that is least together with how far off the middle the
 * host ends. That is a knapsack, solved exactly by dynamic programming: the cheapest way to each
 * place of a grid around where the host is, first by those that leave, each once, then by any that
 * come.
 */
import type { Shapes } from './shapes.ts'

/** What a host is asked. */
export type Ask = {
  /** By axis: its share less the middle, the share that one step is, and what its square costs. */
  readonly away: readonly [number, number]
  readonly scale: readonly [number, number]
  readonly cost: readonly [number, number]
  /** By shape: how many there are; beginning with the first of these. */
  readonly counts: Int32Array
  readonly countsFrom: number
  /** By shape: what one costs that comes, and one that leaves. */
  readonly coming: Float64Array
  readonly leaving: Float64Array
}

/** What differs by less costs the same. */
const grain = 1e-12

/** Works out one host after another, in the same memory. */
export class HostChoice {
  readonly #shapes: Shapes
  /** The largest step of any shape, by axis. */
  readonly #reach: readonly [number, number]
  #cells = 0
  #least = new Float64Array(0)
  /** By stage and cell: 1 where the stage has found a cheaper way. */
  #marks: Uint8Array[] = []
  /** So many of a shape leave at once, or any number comes, one by one. */
  readonly #stages: { shape: number; leave: number }[] = []
  #width = 0
  #low: [number, number] = [0, 0]
  #high: [number, number] = [0, 0]
  /** By shape: how many more come than leave. */
  readonly column: Int32Array
  /** How many leave. */
  leaves = 0
  /** By axis: what is left between its share and the middle. */
  readonly left: [number, number] = [0, 0]

  constructor(shapes: Shapes) {
    this.#shapes = shapes
    this.column = new Int32Array(shapes.count)
    const reach = (axis: 0 | 1): number =>
      Array.from({ length: shapes.count }, (_, k) => shapes.steps[2 * k + axis]!).reduce(
        (most, each) => Math.max(most, each),
        0
      )
    this.#reach = [reach(0), reach(1)]
  }

  /** How much work one host is at most: cells by stages. */
  work(ask: Pick<Ask, 'away' | 'scale' | 'counts' | 'countsFrom'>): number {
    this.#frame(ask)
    const { count } = this.#shapes
    let stages = count
    for (let shape = 0; shape < count; shape += 1) {
      stages += 32 - Math.clz32(ask.counts[ask.countsFrom + shape]!)
    }
    return this.#cells * stages
  }

  /** Chooses; the answer stands in `column`, `leaves` and `left`. */
  choose(ask: Ask): void {
    this.#frame(ask)
    if (this.#least.length < this.#cells) {
      this.#least = new Float64Array(this.#cells)
      this.#marks = []
    }
    this.#least.fill(Infinity, 0, this.#cells)
    this.#least[-this.#low[0] * this.#width - this.#low[1]] = 0
    this.#stages.length = 0
    for (let shape = 0; shape < this.#shapes.count; shape += 1) this.#leave(shape, ask)
    for (let shape = 0; shape < this.#shapes.count; shape += 1) this.#come(shape, ask)
    this.#follow(this.#end(ask))
  }

  /** The part of the grid that counts: from the host to the middle, and one step beyond. */
  #frame({ away, scale }: Pick<Ask, 'away' | 'scale'>): void {
    for (const axis of [0, 1] as const) {
      const off = scale[axis] > 0 ? Math.round(-away[axis] / scale[axis]) : 0
      this.#low[axis] = Math.min(0, off) - this.#reach[axis]
      this.#high[axis] = Math.max(0, off) + Math.ceil(this.#reach[axis] / 4)
    }
    this.#width = this.#high[1] - this.#low[1] + 1
    this.#cells = (this.#high[0] - this.#low[0] + 1) * this.#width
  }

  #markOf(stage: number): Uint8Array {
    const marks = this.#marks[stage] ?? new Uint8Array(this.#least.length)
    this.#marks[stage] = marks
    return marks.fill(0, 0, this.#cells)
  }

  /**
   * One leaves or none, then two, four, and what is left over: so any number can. Cells are gone
   * through from below, so that nobody leaves twice in one stage.
   */
  #leave(shape: number, { counts, countsFrom, leaving }: Ask): void {
    const [least, width] = [this.#least, this.#width]
    const [one, other] = this.#stepsOf(shape)
    if (one === 0 && other === 0) return
    let rest = counts[countsFrom + shape]!
    for (let size = 1; rest > 0; size *= 2) {
      const leave = Math.min(size, rest)
      rest -= leave
      const [down, across] = [one * leave, other * leave]
      const [step, price] = [down * width + across, leaving[shape]! * leave]
      const marks = this.#markOf(this.#stages.length)
      let isOfUse = false
      for (let row = down * width; row < this.#cells; row += width) {
        for (let cell = row + across; cell < row + width; cell += 1) {
          const sum = least[cell]! + price
          if (sum >= least[cell - step]! - grain) continue
          least[cell - step] = sum
          marks[cell - step] = 1
          isOfUse = true
        }
      }
      if (isOfUse) this.#stages.push({ shape, leave })
    }
  }

  /** Any number comes: what was reached by one is gone on from. */
  #come(shape: number, { coming }: Ask): void {
    const [least, width] = [this.#least, this.#width]
    const [down, across] = this.#stepsOf(shape)
    const step = down * width + across
    if (step === 0) return
    const price = coming[shape]!
    const marks = this.#markOf(this.#stages.length)
    for (let row = 0; row + down * width < this.#cells; row += width) {
      for (let cell = row; cell + across < row + width; cell += 1) {
        const sum = least[cell]! + price
        if (sum >= least[cell + step]! - grain) continue
        least[cell + step] = sum
        marks[cell + step] = 1
      }
    }
    this.#stages.push({ shape, leave: 0 })
  }

  #stepsOf(shape: number): readonly [number, number] {
    const { steps } = this.#shapes
    return [steps[2 * shape]!, steps[2 * shape + 1]!]
  }

  /** The place where the host had best end. */
  #end({ away, scale, cost }: Ask): number {
    const [width, low] = [this.#width, this.#low]
    let [best, least] = [0, Infinity]
    for (let cell = 0; cell < this.#cells; cell += 1) {
      if (this.#least[cell] === Infinity) continue
      const row = Math.floor(cell / width)
      const one = away[0] + (row + low[0]) * scale[0]
      const other = away[1] + (cell - row * width + low[1]) * scale[1]
      const sum = this.#least[cell]! + cost[0] * one * one + cost[1] * other * other
      if (sum >= least - grain) continue
      best = cell
      least = sum
      this.left[0] = one
      this.left[1] = other
    }
    return best
  }

  /** Goes back from there to where the host is, by the stages that have found the way. */
  #follow(end: number): void {
    this.column.fill(0)
    this.leaves = 0
    let cell = end
    for (let stage = this.#stages.length - 1; stage >= 0; stage -= 1) {
      const { shape, leave } = this.#stages[stage]!
      const [down, across] = this.#stepsOf(shape)
      const step = down * this.#width + across
      const marks = this.#marks[stage]!
      if (leave > 0 && marks[cell] === 1) {
        cell += leave * step
        this.column[shape]! -= leave
        this.leaves += leave
      }
      while (leave === 0 && marks[cell] === 1) {
        cell -= step
        this.column[shape]! += 1
      }
    }
  }
}
