/** Runs seeds for its parent, one after another; a mistake is put in before anything is loaded. */
import { mutate } from '../source-mutants.ts'
import { leanMutants } from './mutants.ts'
import type { LeanWish } from './run.ts'

const mutant = leanMutants[process.argv[2] ?? '']
if (mutant) mutate(mutant)
const { runLean } = await import('./run.ts')
process.on('message', wish => {
  const before = process.cpuUsage()
  const finding = runLean(wish as LeanWish)
  const { user, system } = process.cpuUsage(before)
  process.send!({ ...finding, cpuMs: (user + system) / 1_000 })
})
