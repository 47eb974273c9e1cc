import type { Filter } from './pipeline.ts'

/** Keeps the hosts with enough unpromised memory for the instance. */
export const filterMemory: Filter = ({ capacity }, { memoryMib, running }) => {
  if (!running) return undefined
  if (!capacity) return 'its hardware is not reported yet'
  const free = capacity.memoryMib - capacity.memoryPromisedMib
  if (free >= memoryMib) return undefined
  const room = `${capacity.memoryMib} MiB, ${capacity.memoryPromisedMib} MiB promised`
  return `needs ${memoryMib} MiB, has ${free} MiB unpromised (of ${room})`
}
