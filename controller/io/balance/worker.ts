/** The thread in which the placement engine thinks: one problem after another, none remembered. */
import { parentPort } from 'node:worker_threads'
import { propose } from '../../core/balance/search.ts'
import type { ThreadQuestion, ThreadReply } from './thinker.ts'

parentPort!.on('message', ({ id, problem, effort }: ThreadQuestion) => {
  const proposal = propose(problem, effort)
  parentPort!.postMessage({ id, proposal } satisfies ThreadReply)
})
