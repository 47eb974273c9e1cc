/**
 * Searches in a thread of its own. Each round is asked for by a message, from seats that it names,
 * for so many seconds of the clock or, where the machine is shared, of the thread's processor time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Annealing } from '../../../controller/core/engine/reassign/annealing.ts'
import { scalesOf } from '../../../controller/core/engine/reassign/scales.ts'
import { lastWay, type Way, waysFor } from '../../../controller/core/engine/reassign/ways.ts'
import { readReassignment } from './model-text.ts'

/** What a thread works on. */
export type Work = { readonly model: string; readonly home: string }

/** A round: where it starts (nowhere: with all at home), how it goes, and how long. */
export type Round = {
  readonly at: Int32Array | undefined
  readonly thread: number
  readonly seed: number
  readonly seconds: number
  readonly clock: 'wall' | 'processor'
}

/** What came of a round. */
export type Outcome = { readonly cost: number; readonly at: Int32Array; readonly trials: number }

const slice = 5_000
const { model, home } = workerData as Work
const problem = await readReassignment(model, home)
const ways = waysFor(scalesOf(problem))

parentPort!.on('message', (round: Round) => parentPort!.postMessage(play(round)))
parentPort!.postMessage('ready')

function play({ at, thread, seed, seconds, clock }: Round): Outcome {
  const start = secondsOf(clock)
  const own: Way = { ...ways[thread % ways.length]!, seed }
  const search = new Annealing(problem, at === undefined ? own : { ...own, ...lastWay }, at)
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
