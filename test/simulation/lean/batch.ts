/** Runs many seeds in a few processes, each of which has one at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import type { Counts } from './cloud.ts'
import { leanMutants } from './mutants.ts'
import { bundled, type Program, sources } from './program.ts'
import type { LeanFinding, LeanWish, WeatherName } from './run.ts'

/** Which seeds, and of what. */
export type LeanBatch = {
  readonly first: number
  readonly count: number
  readonly jobs: number
  readonly hosts: number
  readonly seconds: number
  readonly mutant?: string | undefined
  /** Names of strikes; left out: as each seed draws them. */
  readonly faults?: readonly string[] | undefined
  /** Left out: mixed. */
  readonly weather?: WeatherName | undefined
  /** Ends with the first seed that fails. */
  readonly untilFailed?: boolean
  /** Whether the program is bundled first; left out: where there are many seeds. */
  readonly isBundled?: boolean
  readonly signal?: AbortSignal
}

/** What came of a seed, and what that cost of a processor. */
export type LeanRun = LeanFinding & { readonly cpuMs: number }

export type LeanSum = {
  readonly sum: Counts
  readonly ran: number
  readonly failed: readonly number[]
  readonly virtualMs: number
  /** Of all but the first ten of each process: those pay for its beginning. */
  readonly cpuMsEach: number
}

/** Most of what a run makes is gone at once: with room for it, little of it is ever moved. */
const execArgv = ['--max-semi-space-size=64']
/** A run that takes longer goes round in circles. Unit: ms of real time. */
const runMsMax = 300_000
/** For fewer seeds bundling takes longer than it saves. */
const bundledFrom = 50
/** Seeds of a process after which it is warm. */
const warmAfter = 10

/** The command that runs one seed again. */
export const replayOf = (batch: LeanBatch, seed: number): string =>
  `node test/simulation/main.ts --seed ${seed} --hosts ${batch.hosts} --seconds ${batch.seconds}` +
  (batch.mutant ? ` --mutant ${batch.mutant}` : '') +
  (batch.weather ? ` --weather ${batch.weather}` : '') +
  (batch.faults ? ` --faults '${batch.faults.join()}'` : '')

/** Runs all of them; tells of each as it ends. */
export async function runLeanBatch(
  batch: LeanBatch,
  tell: (run: LeanRun) => void = () => {}
): Promise<LeanSum> {
  const { first, count, jobs, hosts, seconds, weather } = batch
  const faults = batch.faults ?? leanMutants[batch.mutant ?? '']?.faults
  const sum: Counts = {}
  const failed: number[] = []
  const warm: number[] = []
  let [ran, virtualMs, next] = [0, 0, first]
  const isBundled = batch.isBundled ?? count >= bundledFrom
  await using program = isBundled && batch.mutant === undefined ? await bundled() : sources()
  const isOver = (): boolean => {
    const isFound = batch.untilFailed === true && failed.length > 0
    return next >= first + count || isFound || batch.signal?.aborted === true
  }
  const work = async (): Promise<void> => {
    let child: ChildProcess | undefined
    for (let done = 0; !isOver(); done++) {
      child ??= start(program, batch.mutant)
      const wish = { seed: next++, hosts, seconds, faults, weather }
      const run = await runIn(child, wish)
      for (const [what, by] of Object.entries(run.counts)) sum[what] = (sum[what] ?? 0) + by
      ran += 1
      virtualMs += run.virtualMs
      if (done >= warmAfter) warm.push(run.cpuMs)
      if (run.problems.length > 0) failed.push(run.seed)
      tell(run)
      if (child.exitCode !== null || child.signalCode !== null) child = undefined
    }
    child?.kill()
  }
  await Promise.all(Array.from({ length: jobs }, work))
  const cpuMsEach = warm.reduce((all, ms) => all + ms, 0) / Math.max(1, warm.length)
  return { sum, ran, failed: failed.sort((a, b) => a - b), virtualMs, cpuMsEach }
}

const start = (program: Program, mutant = ''): ChildProcess =>
  fork(program.file, [mutant], { execArgv: [...execArgv, ...program.execArgv] })

/** Lets a process run a seed. That it ends of it is a finding. */
const runIn = (child: ChildProcess, wish: LeanWish): Promise<LeanRun> =>
  new Promise(resolve => {
    const late = setTimeout(() => child.kill('SIGKILL'), runMsMax)
    const answered = (run: unknown): void => {
      clearTimeout(late)
      child.off('exit', ended).off('message', answered)
      resolve(run as LeanRun)
    }
    const ended = (code: number | null, signal: string | null): void => {
      const problems = [`the process that ran it ended: ${code ?? signal}`]
      const { seed } = wish
      answered({ seed, problems, counts: {}, virtualMs: 0, digest: '', cpuMs: 0 })
    }
    child.once('exit', ended).once('message', answered)
    child.send(wish)
  })
