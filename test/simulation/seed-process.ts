/**
 * One of the processes of a batch: runs each seed that it is sent, and says what came of it. Its
 * argument names the mistake that is put into it, if one is.
 */
import type { Wish } from './run.ts'
import { mutate, sourceMutants } from './source-mutants.ts'

const mutant = sourceMutants[process.argv[2] ?? '']
if (mutant) mutate(mutant)
const { runSeed } = await import('./run.ts')
process.once('disconnect', () => process.exit())
process.on('message', wish => {
  void runSeed(wish as Wish).then(finding => process.send?.(finding))
})
