/**
 * Machine reassignment as in the ROADEF/EURO challenge of 2012, against what others published:
 * `--from FOLDER` has its files (model_NAME.txt, assignment_NAME.txt), `--only NAME,…` picks some,
 * `--seconds` is for each, with reading, on two threads. `--processor` counts each thread's own
 * processor time instead of the clock, for a machine on which others work. `--seed` begins others.
 */
import { glob } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Fault } from '../../../shared/fault.ts'
import { judge, type Verdict } from './judge.ts'
import { readReassignment } from './model-text.ts'
import { published } from './published.ts'
import { type Found, search } from './search.ts'
import type { Round } from './worker.ts'

type Print = (line: string) => void
type Options = {
  readonly folder: string
  readonly names: readonly string[]
  readonly seconds: number
  readonly seed: number
  readonly clock: Round['clock']
}
type Row = {
  readonly name: string
  readonly initial: number
  readonly verdict: Verdict
  readonly found: Found
  readonly seconds: number
}

/** Searches each instance and prints a row of it, then the sums. */
export async function reassignBench(print: Print): Promise<void> {
  const options = await optionsGiven()
  const clock = options.clock === 'wall' ? 'by the clock' : 'of processor time'
  print(`${options.seconds} s ${clock} each, two threads, Node ${process.version}`)
  print(columns(titles))
  const rows: Row[] = []
  for (const name of options.names) {
    const row = await measured(name, options)
    rows.push(row)
    print(columns(cells(row)))
  }
  for (const line of summary(rows)) print(line)
}

async function measured(name: string, options: Options): Promise<Row> {
  const started = performance.now()
  const model = path.join(options.folder, `model_${name}.txt`)
  const home = path.join(options.folder, `assignment_${name}.txt`)
  const { seconds, seed, clock } = options
  const found = await search({ work: { model, home }, seconds, seed, clock })
  const took = (performance.now() - started) / 1_000
  const problem = await readReassignment(model, home)
  const verdict = judge(problem, found.at)
  const initial = judge(problem, problem.home).total
  return { name, initial, verdict, found, seconds: took }
}

const titles = [
  ...['instance', 'initial', 'ours', 'best published', 'gap/initial', 'peers 60 s', 'better'],
  ...['moved', 'trials', 'wall s', 'feasible']
]
const widths = [8, 15, 14, 14, 11, 13, 6, 6, 7, 6, 8]

const columns = (words: readonly string[]): string =>
  words.map((word, k) => (k === 0 ? word.padEnd(widths[k]!) : word.padStart(widths[k]!))).join('  ')

function cells({ name, initial, verdict, found, seconds }: Row): readonly string[] {
  const { best, peers } = published[name] ?? {}
  const ours = verdict.total
  const isFeasible = verdict.objections.length === 0 && ours === found.cost
  return [
    ...[name, whole(initial), whole(ours), best === undefined ? '' : whole(best)],
    best === undefined ? '' : percent((ours - best) / initial),
    ...[peers === undefined ? '' : whole(peers), betterThan(ours, peers)],
    ...[whole(verdict.moved), `${(found.trials / 1e6).toFixed(0)} M`, seconds.toFixed(0)],
    isFeasible ? 'yes' : (verdict.objections[0] ?? `no: the search said ${whole(found.cost)}`)
  ]
}

function betterThan(ours: number, peers: number | undefined): string {
  if (peers === undefined) return ''
  return ours < peers ? 'yes' : 'no'
}

function summary(rows: readonly Row[]): readonly string[] {
  const gaps = rows.flatMap(({ name, initial, verdict }) => {
    const best = published[name]?.best
    return best === undefined ? [] : [(verdict.total - best) / initial]
  })
  const contests = rows.filter(({ name }) => published[name]?.peers !== undefined)
  const won = contests.filter(({ name, verdict }) => verdict.total < published[name]!.peers!)
  const mean = gaps.reduce((all, gap) => all + gap, 0) / Math.max(1, gaps.length)
  return [
    `mean gap/initial over ${gaps.length}: ${percent(mean)}`,
    `better than the peers at 60 s on ${won.length} of ${contests.length}`
  ]
}

const whole = (value: number): string => value.toLocaleString('en-US')
const percent = (share: number): string => `${(share * 100).toFixed(4)} %`

async function optionsGiven(): Promise<Options> {
  const text = { type: 'string' } as const
  const options = { from: text, only: text, seconds: text, seed: text } as const
  const { values } = parseArgs({
    options: { ...options, processor: { type: 'boolean' } },
    allowPositionals: true
  })
  const { from, only, seconds = '60', seed = '1', processor = false } = values
  if (from === undefined) {
    throw new Fault('invalid', 'cannot measure reassign: --from FOLDER is missing')
  }
  const names = only === undefined ? await namesIn(from) : only.split(',')
  const clock = processor ? 'processor' : 'wall'
  return { folder: from, names, seconds: positive(seconds), seed: positive(seed), clock }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const files = await Array.fromAsync(glob('model_*_*.txt', { cwd: folder }))
  return files.map(file => file.replace(/^model_|\.txt$/g, '')).sort()
}

function positive(given: string): number {
  const value = Number(given)
  if (value > 0) return value
  throw new Fault('invalid', `cannot measure reassign: "${given}" is no number above 0`)
}
