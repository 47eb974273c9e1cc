/**
 * Searches in a thread of its own. Each round is asked for by a message, from seats that it names,
 * for so many seconds of the clock or, where the machine is shared, of the thread's processor time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Annealing, type Way } from '../../../controller/core/engine/reassign/annealing.ts'
import { readReassignment } from './model-text.ts'

/** What a thread works on. */
export type Work = { readonly model: string; readonly home: string }

/** A round: where it starts, how it goes, and how long. */
export type Round = {
  readonly at: Int32Array | undefined
  readonly way: Way
  readonly seconds: number
  readonly clock: 'wall' | 'processor'
}

/** What came of a round. */
export type Outcome = { readonly cost: number; readonly at: Int32Array; readonly trials: number }

const slice = 5_000
const { model, home } = workerData as Work
const problem = await readReassignment(model, home)

parentPort!.on('message', (round: Round) => parentPort!.postMessage(play(round)))
parentPort!.postMessage('ready')

function play({ at, way, seconds, clock }: Round): Outcome {
  const start = secondsOf(clock)
  const search = new Annealing(problem, way, at)
  let trials = 0
  for (;;) {
    const progress = (secondsOf(clock) - start) / seconds
    if (progress >= 1) return { cost: search.bestCost, at: search.best, trials }
    search.run(slice, progress)
    trials += slice
  }
}

function secondsOf(clock: Round['clock']): number {
  if (clock === 'wall') return performance.now() / 1_000
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000_000
}
