/**
 * Colours the corners of a graph so that no edge joins two of one colour, with few colours. First
 * each next corner is the one that has the least choice left; then, again and again, one
 * colour is given up, its corners are dealt to the others, and those that clash are recoloured one
 * by one, the least harm first, none back soon (tabu search). It ends with the last number of
 * colours that came out clean, the same for the same graph.
 */

/** Edges by corner and corner: 1 where there is one, both ways. */
export type Graph = { readonly corners: number; readonly edges: Uint8Array }

/** How many corners are recoloured, at most, to save one colour: so many for each there is. */
const stepsPerCorner = 50
/** For how many steps a corner does not get its last colour back, beside one for two clashes. */
const tabuSteps = 7

/** The colour of each corner, from 0. */
export function colour(graph: Graph): Int32Array {
  const stepsMost = stepsPerCorner * graph.corners
  let colours = byLeastChoice(graph)
  for (;;) {
    const fewer = withOneLess(graph, colours, stepsMost)
    if (!fewer) return colours
    colours = fewer
  }
}

const countOf = (colours: Int32Array): number => colours.reduce((a, b) => Math.max(a, b), -1) + 1

/** By corner and colour: how many neighbours have it. */
function neighboursOf({ corners, edges }: Graph, colours: Int32Array, count: number): Int32Array {
  const around = new Int32Array(corners * count)
  for (let corner = 0; corner < corners; corner += 1) {
    for (let other = 0; other < corners; other += 1) {
      if (edges[corner * corners + other] === 1) around[corner * count + colours[other]!]! += 1
    }
  }
  return around
}

function byLeastChoice({ corners, edges }: Graph): Int32Array {
  const colours = new Int32Array(corners).fill(-1)
  const barred = new Uint8Array(corners * corners)
  const [choices, degrees] = [new Int32Array(corners), new Int32Array(corners)]
  for (let cell = 0; cell < edges.length; cell += 1) {
    degrees[Math.floor(cell / corners)]! += edges[cell]!
  }
  for (let done = 0; done < corners; done += 1) {
    let next = -1
    for (let corner = 0; corner < corners; corner += 1) {
      if (colours[corner]! >= 0) continue
      const more = next < 0 ? 1 : choices[corner]! - choices[next]!
      if (more > 0 || (more === 0 && degrees[corner]! > degrees[next]!)) next = corner
    }
    let free = 0
    while (barred[next * corners + free] === 1) free += 1
    colours[next] = free
    for (let other = 0; other < corners; other += 1) {
      if (edges[next * corners + other] === 0 || barred[other * corners + free] === 1) continue
      barred[other * corners + free] = 1
      choices[other]! += 1
    }
  }
  return colours
}

/** The same with one colour less, or undefined. */
function withOneLess(graph: Graph, before: Int32Array, stepsMost: number): Int32Array | undefined {
  const count = countOf(before) - 1
  if (count < 1) return undefined
  const colours = before.map(each => each % count)
  const around = neighboursOf(graph, colours, count)
  const until = new Int32Array(graph.corners * count)
  let clashes = 0
  for (let corner = 0; corner < graph.corners; corner += 1) {
    clashes += around[corner * count + colours[corner]!]! / 2
  }
  let fewest = clashes
  for (let step = 1; step <= stepsMost && clashes > 0; step += 1) {
    const { corner, to, change } = bestChange(
      { colours, around, until, step, count },
      fewest - clashes
    )
    if (corner < 0) continue
    const from = colours[corner]!
    until[corner * count + from] = step + tabuSteps + (step % tabuSteps) + Math.floor(clashes / 2)
    recolour(graph, { colours, around, count }, corner, to)
    clashes += change
    fewest = Math.min(fewest, clashes)
  }
  return clashes === 0 ? colours : undefined
}

type Search = {
  readonly colours: Int32Array
  readonly around: Int32Array
  readonly until: Int32Array
  readonly step: number
  readonly count: number
}

/** The change that does least harm, of those that are not barred or reach a new best. */
function bestChange({ colours, around, until, step, count }: Search, record: number) {
  let best = { corner: -1, to: -1, change: Infinity }
  for (let corner = 0; corner < colours.length; corner += 1) {
    const row = corner * count
    const now = around[row + colours[corner]!]!
    if (now === 0) continue
    for (let to = 0; to < count; to += 1) {
      const change = around[row + to]! - now
      if (change >= best.change || to === colours[corner]) continue
      if (until[row + to]! > step && change >= record) continue
      best = { corner, to, change }
    }
  }
  return best
}

function recolour(
  { corners, edges }: Graph,
  { colours, around, count }: Pick<Search, 'colours' | 'around' | 'count'>,
  corner: number,
  to: number
): void {
  const from = colours[corner]!
  colours[corner] = to
  for (let other = 0; other < corners; other += 1) {
    if (edges[corner * corners + other] === 0) continue
    around[other * count + from]! -= 1
    around[other * count + to]! += 1
  }
}
