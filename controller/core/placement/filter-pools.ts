import type { Filter } from './pipeline.ts'

/** Keeps the hosts that have the pools, with room for a start in each. */
export const filterPools: Filter = ({ poolFreeMib, poolFaults }, { pools }) => {
  for (const [pool, neededMib] of pools) {
    const fault = poolFaults.get(pool)
    if (fault !== undefined) return `pool ${pool} cannot be used: ${fault}`
    const freeMib = poolFreeMib.get(pool)
    if (freeMib === undefined) continue
    if (freeMib < neededMib) return `pool ${pool} has ${freeMib} MiB free, needs ${neededMib} MiB`
  }
  return undefined
}
