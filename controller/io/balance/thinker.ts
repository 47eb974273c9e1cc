/**
 * Has the placement engine think in a thread of its own, so that the controller's event loop goes
 * on. The thread is there only while it thinks; one that takes too long is ended.
 */
import { existsSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Fault } from '#shared/fault.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { planPack } from '../../core/balance/pack.ts'
import { type BalancePlan, type PlanOptions, planBalance } from '../../core/balance/plan.ts'
import type { BalanceEffort, Proposal } from '../../core/balance/search.ts'
import type { Problem } from '../../core/engine/problem.ts'
import type { View } from '../../core/view.ts'

/** What the thread is asked. */
export type ThreadQuestion = {
  readonly id: number
  readonly problem: Problem
  readonly effort: BalanceEffort
}

/** What it answers. */
export type ThreadReply = { readonly id: number; readonly proposal: Proposal }

/** A cloud of ten thousand hosts takes some ten seconds. Unit: ms. */
const thinkMsMax: Ms = 120_000

/** Plans with a thread of its own. */
export async function planInThread(view: View, options: PlanOptions): Promise<BalancePlan> {
  await using thinker = new Thinker()
  const planning = planBalance(view, options)
  let step = planning.next()
  while (!step.done) {
    const { problem, effort } = step.value
    step = planning.next(await thinker.propose(problem, effort))
  }
  return step.value
}

/** Plans which hosts to empty, and lets everybody else have a turn between two hosts. */
export async function planPacking(
  view: View,
  options: Parameters<typeof planPack>[1]
): Promise<BalancePlan> {
  const planning = planPack(view, options)
  let step = planning.next()
  while (!step.done) {
    await setImmediate()
    step = planning.next()
  }
  return step.value
}

/** A thread that thinks, until it is disposed. */
class Thinker implements AsyncDisposable {
  readonly #worker: Worker
  #asked = 0

  constructor() {
    this.#worker = new Worker(workerUrl(), { name: 'balance' })
    this.#worker.unref()
  }

  /** Fault `deadline` when it takes too long, `unavailable` when it fails. */
  async propose(problem: Problem, effort: BalanceEffort): Promise<Proposal> {
    this.#asked += 1
    const id = this.#asked
    const { promise, resolve, reject } = Promise.withResolvers<Proposal>()
    const hear = (reply: ThreadReply): void => {
      if (reply.id === id) resolve(reply.proposal)
    }
    const fail = (thrown: Error): void => {
      const because = `the engine failed: ${thrown.message}`
      reject(new Fault('unavailable', `cannot level the hosts: ${because}`))
    }
    const late = setTimeout(() => {
      const because = `the engine has thought for ${formatMs(thinkMsMax)}`
      reject(
        new Fault('deadline', `cannot level the hosts: ${because}`, {
          next: ['remuda balance plan --moves 20']
        })
      )
    }, thinkMsMax)
    this.#worker.on('message', hear).on('error', fail)
    this.#worker.postMessage({ id, problem, effort } satisfies ThreadQuestion)
    try {
      return await promise
    } finally {
      clearTimeout(late)
      this.#worker.off('message', hear).off('error', fail)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}

/** The program of the thread: beside us, or a bundle of its own in `dist/`. */
function workerUrl(): URL {
  const places = import.meta.url.endsWith('.ts')
    ? ['./worker.ts']
    : ['./balance-worker.js', '../balance-worker.js']
  const urls = places.map(place => new URL(place, import.meta.url))
  const found = urls.find(url => existsSync(url))
  if (found) return found
  const where = urls.map(({ pathname }) => pathname).join(' or ')
  throw new Fault('not-found', `cannot level the hosts: there is no ${where}`, {
    next: ['npm run build']
  })
}
