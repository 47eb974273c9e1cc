/**
 * A search on two threads. Most of the time each anneals on its own from where the processes are
 * now, in a way of its own; then both go on from the best of them, hardly warm, and the best of all
 * is the answer.
 */
import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
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
/** Time for judging and for starting and ending threads. */
const spareSeconds = 0.3
/** How the time is shared between searching and going on from the best. */
const shares = [0.92, 0.08]

/** Searches until its time is over. */
export async function search({ work, seconds, seed, clock }: Search): Promise<Found> {
  const started = performance.now()
  const workers = await Promise.all(Array.from({ length: threads }, () => thread(work)))
  try {
    const spent = clock === 'wall' ? (performance.now() - started) / 1_000 + spareSeconds : 0
    const left = Math.max(0.1, seconds - spent)
    let best: Found | undefined
    for (const [stage, share] of shares.entries()) {
      const rounds = workers.map((worker, thread) => {
        const own = seed * 100 + stage * threads + thread
        const at = best?.at
        return play(worker, { at, thread, seed: own, seconds: left * share, clock })
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
