/**
 * Runs many seeds in a few processes. A seed has a process to itself while it runs, since a run
 * takes the place of what Node offers to all of it; which other seeds run before it or beside it
 * makes no difference.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { type Finding, runSeed, type Wish } from './run.ts'
import type { Counts } from './simulated-cloud.ts'
import { sourceMutants } from './source-mutants.ts'

/** Which seeds, and of what. */
export type Batch = {
  readonly first: number
  readonly count: number
  /** Processes at once; with one, all is done in this very one, but for mistakes in the text. */
  readonly jobs: number
  readonly wish: Omit<Wish, 'seed'>
  /** Ends with the first seed that fails. */
  readonly untilFailed?: boolean
  /** Ends with the seeds that are being run once this aborts. */
  readonly signal?: AbortSignal
}

/** A process ends after so many seeds: what runs have left behind goes with it. */
const seedsPerProcess = 200
/** Most of what a run makes is gone at once: with room for it, little of it is ever moved. */
const execArgv = ['--max-semi-space-size=64']
/** A run that takes longer goes round in circles. Unit: ms of real time. */
const runMsMax = 600_000

/** Runs all of them; tells of each as it ends. */
export async function runBatch(
  batch: Batch,
  tell: (finding: Finding) => void
): Promise<{ readonly sum: Counts; readonly ran: number; readonly failed: number }> {
  const { first, count, jobs, wish } = batch
  const sum: Counts = {}
  let ran = 0
  let failed = 0
  let next = first
  const seeds: Seeds = {
    next: () => {
      const isFound = batch.untilFailed === true && failed > 0
      const isOver = next >= first + count || isFound || batch.signal?.aborted
      return isOver ? undefined : { seed: next++, ...wish }
    },
    done: finding => {
      for (const [what, by] of Object.entries(finding.counts)) sum[what] = (sum[what] ?? 0) + by
      ran += 1
      if (finding.problems.length > 0) failed += 1
      tell(finding)
    }
  }
  const isApart = jobs > 1 || sourceMutants[wish.mutant ?? ''] !== undefined
  if (!isApart) await runHere(seeds)
  else await Promise.all(Array.from({ length: jobs }, () => runInProcesses(seeds)))
  return { sum, ran, failed }
}

/** The command that runs one seed again. */
export const replayOf = ({ seed, hosts, candidates, seconds, mutant }: Wish): string =>
  `node test/simulation/main.ts --whole --seed ${seed} --seeds 1 --hosts ${hosts} ` +
  `--candidates ${candidates} --seconds ${seconds}${mutant ? ` --mutant ${mutant}` : ''}`

/** The seeds of a batch, which whoever is free takes one by one. */
type Seeds = {
  readonly next: () => Wish | undefined
  readonly done: (finding: Finding) => void
}

async function runHere({ next, done }: Seeds): Promise<void> {
  for (let wish = next(); wish; wish = next()) done(await runSeed(wish))
}

/** Lets one process after another run seeds until there are no more. */
async function runInProcesses({ next, done }: Seeds): Promise<void> {
  let wish = next()
  while (wish) {
    const file = new URL('./seed-process.ts', import.meta.url)
    const child = fork(file, [wish.mutant ?? ''], { execArgv })
    const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
    for (let count = 0; wish && count < seedsPerProcess && isAlive(); count++) {
      done(await runIn(child, wish))
      wish = next()
    }
    child.kill()
  }
}

/** Lets a process run a seed. That it ends of it is a finding. */
const runIn = (child: ChildProcess, wish: Wish): Promise<Finding> =>
  new Promise(resolve => {
    const late = setTimeout(() => child.kill('SIGKILL'), runMsMax)
    const answered = (finding: unknown): void => {
      clearTimeout(late)
      child.off('exit', ended).off('message', answered)
      resolve(finding as Finding)
    }
    const ended = (code: number | null, signal: string | null): void => {
      const problems = [`the process that ran it ended: ${code ?? signal}`]
      answered({ seed: wish.seed, problems, counts: {}, digest: '' })
    }
    child.once('exit', ended).once('message', answered)
    child.send(wish)
  })
