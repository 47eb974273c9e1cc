/**
 * Demands that take the same are of one shape: which of them goes somewhere makes no difference to
 * how level hosts are. Hosts are levelled in one or two dimensions, the axes, and what a shape
 * takes of each is so many units, so that what a host has too much or too little is a place on a
 * grid.
 */
import type { Layout } from './layout.ts'

/** One of the two directions of the grid. */
export type Axis = {
  /** Number of the dimension; -1: nothing is levelled this way. */
  readonly dimension: number
  /** How much of it one step is. */
  readonly unit: number
}

/** All shapes of those that may move. */
export type Shapes = {
  readonly count: number
  /** By demand its shape; -1: it does not move. */
  readonly of: Int32Array
  /** By shape and axis, in units. */
  readonly steps: Int32Array
  readonly axes: readonly [Axis, Axis]
}

/** More shapes than these are as good as none. */
const shapesMax = 64
/** So many steps any host is away from the middle at most; amounts are rounded where need be. */
const stepsMax = [480, 120] as const

/** Demands with one seat, on an open host, that may leave it. */
export const movableOf = (layout: Layout): Int32Array =>
  Int32Array.from(layout.first.keys()).filter(each => isMovable(layout, each))

/** The shapes of some demands; undefined: they are too many, or too much is levelled at once. */
export function shapesOf(layout: Layout, movable: Int32Array): Shapes | undefined {
  const levelled = Array.from(layout.weight.keys()).filter(d => layout.weight[d]! > 0)
  if (levelled.length === 0 || levelled.length > 2) return undefined
  if (movable.length === 0) return undefined
  const axisAt = (k: 0 | 1): Axis => axisOf(layout, movable, levelled[k] ?? -1, stepsMax[k])
  const axes = [axisAt(0), axisAt(1)] as const
  const of = new Int32Array(layout.demands).fill(-1)
  const known = new Map<string, number>()
  const steps: number[] = []
  for (const demand of movable) {
    const [one, other] = axes.map(axis => stepsOf(layout, demand, axis)) as [number, number]
    const key = `${one} ${other}`
    const shape = known.get(key) ?? known.size
    if (shape === known.size) {
      if (shape === shapesMax) return undefined
      known.set(key, shape)
      steps.push(one, other)
    }
    of[demand] = shape
  }
  return { count: known.size, of, steps: Int32Array.from(steps), axes }
}

function isMovable({ problem, first, second, open }: Layout, demand: number): boolean {
  const host = first[demand]!
  return !problem.fixed[demand] && host >= 0 && open[host] === 1 && second[demand]! < 0
}

const stepsOf = (layout: Layout, demand: number, { dimension, unit }: Axis): number =>
  dimension < 0 ? 0 : Math.round(layout.amount[demand * layout.dimensions + dimension]! / unit)

/** The unit is what all amounts are multiples of, or a multiple of that where it is too small. */
function axisOf(layout: Layout, movable: Int32Array, dimension: number, stepsMost: number): Axis {
  if (dimension < 0) return { dimension, unit: 1 }
  const { dimensions, amount } = layout
  const amounts = new Set<number>()
  for (const demand of movable) amounts.add(amount[demand * dimensions + dimension]!)
  const most = [...amounts].reduce((largest, each) => Math.max(largest, each), 0)
  const isWhole = [...amounts].every(each => Number.isInteger(each))
  const common = isWhole ? [...amounts].reduce(commonDivisor, 0) : most / stepsMost
  const { taken, capacity } = totalOf(layout, dimension)
  const middle = capacity > 0 ? taken / capacity : 0
  let away = 0
  for (let host = 0; host < layout.hosts; host += 1) {
    const cell = host * dimensions + dimension
    if (layout.open[host] === 0 || layout.scale[cell] === 0) continue
    away = Math.max(away, Math.abs(layout.value[cell]! - middle) / layout.scale[cell]!)
  }
  if (common <= 0) return { dimension: -1, unit: 1 }
  return { dimension, unit: common * Math.max(1, Math.ceil((away + most) / common / stepsMost)) }
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b))

/** What is taken on all open hosts, beyond the centre of the layout, and all that they have. */
export function totalOf(layout: Layout, dimension: number) {
  let [taken, capacity] = [0, 0]
  for (let host = 0; host < layout.hosts; host += 1) {
    const cell = host * layout.dimensions + dimension
    if (layout.open[host] === 0 || layout.scale[cell] === 0) continue
    taken += layout.value[cell]! / layout.scale[cell]!
    capacity += 1 / layout.scale[cell]!
  }
  return { taken, capacity }
}
