/**
 * The placement engine against Ganeti's hbal on the same files, in one run on one machine, by the
 * processor time of each. One judge scores both, move by move, and agrees with the scores that hbal
 * prints; then hbal itself scores what the engine made. `--long` also runs hbal where it takes
 * minutes to hours; without it, figures that were once measured on a quiet machine stand there,
 * marked with a star. `--only NAME,NAME` measures some files (`reboots` is one of the names), and
 * with `--keep FILE` a run that was ended goes on where it was; see parts.ts.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { boundOf } from './bound.ts'
import { problemOf } from './ganeti-problem.ts'
import { type Cluster, readCluster, withSeats, writeCluster } from './ganeti-text.ts'
import { generateCluster, type Recipe } from './generate.ts'
import { installHbal, type Run, runHbal } from './hbal.ts'
import { moved, objectionTo, type Seated, scoreOf } from './judge.ts'
import type { Ours } from './ours.ts'
import { ours, short } from './ours-run.ts'
import { openParts, type Part } from './parts.ts'
import { rebootsBench } from './reboots.ts'

/** What hbal once took, on a quiet machine: two processors, AMD EPYC 2.6 GHz. */
type Known = { readonly cpuMs: number; readonly moves: number; readonly score: number }

type Trial = {
  readonly name: string
  readonly recipe: Recipe
  /** Only `--long` runs hbal; these stand for it otherwise. */
  readonly balance?: Known | 'never'
  readonly evacuation?: Known | 'never'
  /** Whether we balance it only with `--long`, since that takes minutes. */
  readonly isSlow?: boolean
  /** Whether a whole rack is lost, and nothing else measured. */
  readonly rackOnly?: boolean
}

const trials: readonly Trial[] = [
  { name: 'ext-10', recipe: { nodes: 10, template: 'ext' } },
  { name: 'drbd-10', recipe: { nodes: 10, template: 'drbd' } },
  { name: 'mixed-10', recipe: { nodes: 10, template: 'mixed' } },
  { name: 'ext-40', recipe: { nodes: 40, template: 'ext' } },
  {
    name: 'drbd-40',
    recipe: { nodes: 40, template: 'drbd' },
    balance: { cpuMs: 706_000, moves: 317, score: 0.79859 }
  },
  { name: 'ext-100', recipe: { nodes: 100, template: 'ext' }, balance: 'never' },
  {
    name: 'drbd-100',
    recipe: { nodes: 100, template: 'drbd' },
    balance: 'never',
    evacuation: { cpuMs: 91_000, moves: 124, score: 13.7299 }
  },
  {
    name: 'ext-1000',
    recipe: { nodes: 1000, template: 'ext' },
    balance: 'never',
    evacuation: 'never'
  },
  {
    name: 'drbd-1000',
    recipe: { nodes: 1000, template: 'drbd' },
    isSlow: true,
    balance: 'never',
    evacuation: 'never'
  },
  {
    name: 'mixed-racks-100',
    recipe: { nodes: 100, template: 'mixed', racks: 10 },
    rackOnly: true
  }
]

/** hbal prints eight digits of some scores and fewer of none. */
const agreement = 1e-6

/** Measures and prints. */
export async function placementBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'remuda-placement-'))
  try {
    print(`${await installHbal()}; Node ${process.version}; seed 1`)
    const only = optionOf('--only')?.split(',')
    const { part, table } = await openParts(optionOf('--keep'), print)
    for (const trial of trials.filter(({ name }) => only?.includes(name) ?? true)) {
      const file = path.join(folder, `${trial.name}.data`)
      await writeFile(file, generateCluster(trial.recipe))
      const cluster = readCluster(generateCluster(trial.recipe))
      if (trial.rackOnly) await measureRack({ trial, file, cluster, part })
      else await measure({ trial, file, cluster, part })
    }
    if (only?.includes('reboots') ?? true) await rebootsBench(folder, part)
    for (const line of table()) print(line)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is said behind an option; undefined: it is not said. */
function optionOf(name: string): string | undefined {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}

type Case = {
  readonly trial: Trial
  readonly file: string
  readonly cluster: Cluster
  readonly part: Part
}

async function measure({ trial, file, cluster, part }: Case): Promise<void> {
  const { name } = trial
  const isLong = process.argv.includes('--long')
  if (!trial.isSlow || isLong) await measureBalance({ trial, file, cluster, part })
  const node = fullestOf(cluster)
  const lost = offline(cluster, node)
  await part(`${name} evacuation`, async () => {
    const made = await ours(file, ['evacuate', node])
    const options = ['-O', node, '--evac-mode']
    const theirs = await peer({ file, cluster: lost, options, known: trial.evacuation })
    return compare({ file, cluster: lost, made, theirs, anyOrder: true })
  })
  await part(`${name} plans for every loss`, async () => {
    const plans = await ours(file, ['plans'])
    const { mean = 0, most = 0 } = plans.changeMs ?? {}
    const change = `after a change ${short(mean)} ms, 99 in 100 below ${short(most)} ms`
    const scratch = `${short(plans.firstMs)} ms at first, ${short(plans.warmMs)} ms warm`
    return `${plans.stranded} stranded; ${scratch}; ${change}`
  })
}

async function measureBalance({ trial, file, cluster, part }: Case): Promise<void> {
  const { name, recipe } = trial
  await part(`${name} balance`, async () => {
    const made = await ours(file, ['balance'])
    const theirs = await peer({ file, cluster, options: [], known: trial.balance })
    return compare({ file, cluster, made, theirs })
  })
  if (recipe.template !== 'ext') return
  await part(`${name} refined`, async () => refined(file, cluster, await ours(file, ['balance'])))
}

/** How near the bound it comes with half as many moves again. */
async function refined(file: string, cluster: Cluster, descent: Ours): Promise<string> {
  const { moves, firstMs } = await ours(file, ['refine'])
  const end = judge(cluster, moves).at(-1)!
  const bound = boundOf(problemOf(cluster))
  const score = `${end.toFixed(6)}, ${(end / bound).toFixed(2)} times the bound ${bound.toFixed(6)}`
  const times = (moves.length / descent.moves.length).toFixed(2)
  return `${score}; ${moves.length} moves, all legal, ${times} times as many; ${short(firstMs)} ms`
}

/** The loss of the rack in which most instances have a node. */
async function measureRack({ trial, file, cluster, part }: Case): Promise<void> {
  const racks = new Map(cluster.nodes.map(({ name, tags }) => [name, tags.join()]))
  const fullest = racks.get(fullestOf(cluster))
  const names = cluster.nodes.map(({ name }) => name).filter(name => racks.get(name) === fullest)
  await part(`${trial.name} evacuation of a rack`, async () => {
    const made = await ours(file, ['evacuate', names.join()])
    const lost = names.reduce(offline, cluster)
    const given = { file, cluster: lost, made, theirs: undefined, anyOrder: true }
    return `${names.length} hosts, ${made.stranded} stranded; ${await compare(given)}`
  })
}

type Peer = {
  readonly file: string
  readonly cluster: Cluster
  readonly options: readonly string[]
  readonly known: Known | 'never' | undefined
}

async function peer({ file, cluster, options, known }: Peer): Promise<Run | Known | undefined> {
  const isLong = process.argv.includes('--long')
  if (known === 'never') return undefined
  return known && !isLong ? known : runHbal(file, cluster, options)
}

type Comparison = {
  readonly file: string
  readonly cluster: Cluster
  readonly made: Ours
  readonly theirs: Run | Known | undefined
  /** Whether only the end counts. */
  readonly anyOrder?: boolean
}

/** One line: scores, moves, times, ratios, and what was found wrong. */
async function compare({ file, cluster, made, theirs, anyOrder }: Comparison): Promise<string> {
  const scores = judge(cluster, made.moves)
  const times = `${short(made.firstMs)} ms at first, ${short(made.warmMs)} ms warm`
  const says = [
    `${scoreOf(cluster).toFixed(6)} -> ${scores.at(-1)?.toFixed(6)}`,
    `${made.moves.length} moves, all legal`,
    times
  ]
  const again = await rescored(file, cluster, made.moves)
  says.push(agrees(again, scores.at(-1)!) ? 'hbal scores it the same' : `hbal scores it ${again}`)
  if (!theirs) return `${says.join('; ')}; hbal not run`
  const ratio = (ms: number) => `${Math.round(theirs.cpuMs / Math.max(ms, 0.001))}x`
  const ratios = `${ratio(made.firstMs)} at first, ${ratio(made.warmMs)} warm`
  const cpu = `${short(theirs.cpuMs)} ms`
  if (!('initial' in theirs)) {
    const figures = `${theirs.score} in ${theirs.moves} moves, ${cpu}`
    return `${says.join('; ')}; hbal*: ${figures}; ${ratios}`
  }
  const printed = theirs.moves.map(({ score }) => score)
  const judged = judge(cluster, theirs.moves)
  const wrong = judged.findIndex((score, index) => !agrees(score, printed[index]!))
  if (wrong >= 0) throw new Error(`the judge says ${judged[wrong]}, hbal ${printed[wrong]}`)
  const order = anyOrder ? '' : `; ${prefixOf(scores, printed)}`
  const figures = `${printed.at(-1)} in ${printed.length} moves, ${cpu}`
  return `${says.join('; ')}; hbal: ${figures}${order}; ${ratios}`
}

/** Whether our first moves are ever worse than as many of theirs. */
function prefixOf(ours: readonly number[], theirs: readonly number[]): string {
  const behind = theirs.findIndex(
    (score, index) => (ours[index] ?? ours.at(-1)!) > score + agreement
  )
  return behind < 0 ? 'no first moves worse' : `worse after ${behind + 1} moves`
}

/** The score after each move; each must be legal in its turn. */
function judge(cluster: Cluster, moves: readonly Seated[]): readonly number[] {
  let now = cluster
  return moves.map((move, index) => {
    const objection = objectionTo(now, move)
    if (objection !== undefined) throw new Error(`move ${index + 1} is not legal: ${objection}`)
    now = moved(now, move)
    return scoreOf(now)
  })
}

/** What hbal says of a cluster after our moves. */
async function rescored(file: string, cluster: Cluster, moves: readonly Seated[]): Promise<number> {
  const end = moves.reduce(moved, cluster)
  const seats = {
    first: end.instances.map(({ primary }) => primary),
    second: end.instances.map(({ secondary }) => secondary)
  }
  const result = `${file}.ours`
  await writeFile(result, writeCluster(withSeats(cluster, seats)))
  const { initial } = await runHbal(result, cluster, ['-l', '0'])
  return initial
}

const agrees = (a: number, b: number): boolean => Math.abs(a - b) < agreement

/** Where most instances have a node. */
function fullestOf({ nodes, instances }: Cluster): string {
  const counts = nodes.map(() => 0)
  for (const { primary, secondary } of instances) {
    counts[primary]! += 1
    if (secondary >= 0) counts[secondary]! += 1
  }
  return nodes[counts.indexOf(Math.max(...counts))]!.name
}

const offline = (cluster: Cluster, name: string): Cluster => ({
  ...cluster,
  nodes: cluster.nodes.map(node => (node.name === name ? { ...node, offline: true } : node))
})
