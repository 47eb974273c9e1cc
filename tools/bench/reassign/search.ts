/**
 * A search on two threads. Most of the time each anneals on its own from where the processes are
 * now, one within the capacities, one that may exceed them on its way: that one finds what cannot
 * be reached otherwise, but may end with nothing that is allowed. Then both go on from the best of
 * them, warmed up a little, and the best of all is the answer.
 */
import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { usualWay, type Way } from '../../../controller/core/engine/reassign/annealing.ts'
import type { Outcome, Round, Work } from './worker.ts'

/** What to search, how long, and by which clock. */
export type Search = {
  readonly work: Work
  readonly seconds: number
  readonly seed: number
  readonly clock: Round['clock']
}

/** The best seats of all threads, and how many changes they tried together. */
export type Found = { readonly cost: number; readonly at: Int32Array; readonly trials: number }

const threads = 2
const within: Partial<Way> = { cheapest: 1e4, dearest: 1e4 }
/** Time for judging and for starting and ending threads. */
const spareSeconds = 0.3
const stages: readonly { readonly share: number; readonly way: Partial<Way> }[] = [
  { share: 0.8, way: {} },
  { share: 0.2, way: { warmest: 0.03, cheapest: 2 } }
]

/** Searches until its time is over. */
export async function search({ work, seconds, seed, clock }: Search): Promise<Found> {
  const started = performance.now()
  const workers = await Promise.all(Array.from({ length: threads }, () => thread(work)))
  try {
    const spent = clock === 'wall' ? (performance.now() - started) / 1_000 + spareSeconds : 0
    const left = Math.max(0.1, seconds - spent)
    let best: Found | undefined
    for (const [stage, { share, way }] of stages.entries()) {
      const rounds = workers.map((worker, thread) => {
        const strict = thread === 0 ? within : {}
        const own = { ...usualWay, ...way, ...strict, seed: seed * 100 + stage * threads + thread }
        return play(worker, { at: best?.at, way: own, seconds: left * share, clock })
      })
      best = bestOf(await Promise.all(rounds), best)
    }
    return best!
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()))
  }
}

async function thread(work: Work): Promise<Worker> {
  const worker = new Worker(path.join(import.meta.dirname, 'worker.ts'), { workerData: work })
  await once(worker, 'message')
  return worker
}

async function play(worker: Worker, round: Round): Promise<Outcome> {
  worker.postMessage(round)
  const [outcome] = await once(worker, 'message')
  return outcome as Outcome
}

function bestOf(outcomes: readonly Outcome[], before: Found | undefined): Found {
  const all = before === undefined ? outcomes : [before, ...outcomes]
  const best = all.reduce((one, other) => (other.cost < one.cost ? other : one))
  return { ...best, trials: all.reduce((sum, { trials }) => sum + trials, 0) }
}
