/** Runs seeds for its parent from the sources; a mistake is put in before anything is loaded. */
import { mutate } from '../source-mutants.ts'
import { leanMutants } from './mutants.ts'

const mutant = leanMutants[process.argv[2] ?? '']
if (mutant) mutate(mutant)
await import('./serve.ts')
