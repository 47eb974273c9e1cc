import type { Filter } from './pipeline.ts'

/** Keeps the hosts that have the pools, with room for a start in each. */
export const filterPools: Filter = ({ poolFreeMib }, { pools }) => {
  for (const [pool, neededMib] of pools) {
    const freeMib = poolFreeMib.get(pool)
    if (freeMib === undefined) continue
    if (freeMib < neededMib) return `pool ${pool} has ${freeMib} MiB free, needs ${neededMib} MiB`
  }
  return undefined
}
