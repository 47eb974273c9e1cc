import type { Filter } from './pipeline.ts'

/** Keeps the hosts with enough unpromised memory for the instance. */
export const filterMemory: Filter = ({ capacity }, { memoryMib, overheadMib = 0, running }) => {
  if (!running) return undefined
  if (!capacity) return 'its hardware is not reported yet'
  const free = capacity.memoryMib - capacity.memoryPromisedMib
  if (free >= memoryMib) return undefined
  const room = `${capacity.memoryMib} MiB, ${capacity.memoryPromisedMib} MiB promised`
  const beside = overheadMib > 0 ? ` (${overheadMib} MiB beside its own)` : ''
  return `needs ${memoryMib} MiB${beside}, has ${free} MiB unpromised (of ${room})`
}
