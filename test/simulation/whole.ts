/** Runs seeds of the whole cloud, io and all; see main.ts. */
import { replayOf, runBatch } from './batch.ts'
import { sometimes } from './oracle.ts'
import type { Wish } from './run.ts'

/** Of so many seeds or more, all that should sometimes happen must have happened. */
export const manySeeds = 100

/** Runs them, and says whether all is well. */
export async function simulateWhole(
  wish: Omit<Wish, 'seed'>,
  batch: {
    readonly first: number
    readonly count: number
    readonly jobs: number
    readonly untilFailed: boolean
    readonly signal: AbortSignal
  }
): Promise<boolean> {
  const startedAt = performance.now()
  const { sum, ran, failed } = await runBatch({ ...batch, wish }, ({ seed, problems, digest }) => {
    if (batch.count === 1) console.log(`digest ${digest}`)
    if (problems.length === 0) return
    console.log(`seed ${seed} failed: ${replayOf({ seed, ...wish })}`)
    for (const problem of problems) console.log(`  ${problem}`)
  })
  const minutes = (performance.now() - startedAt) / 60_000
  console.log(JSON.stringify(sum, undefined, 1))
  console.log(`${ran} seeds, ${failed} failed, ${Math.round(ran / minutes)} a minute`)
  const missing = sometimes(sum)
  const isPoor = ran >= manySeeds && missing.length > 0
  if (isPoor) console.log(`never happened: ${missing.join(', ')}`)
  return failed === 0 && !isPoor
}
