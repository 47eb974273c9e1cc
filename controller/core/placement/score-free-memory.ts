import type { Score } from './pipeline.ts'

/** Prefers the host with the largest share of its memory unpromised. */
export const scoreFreeMemory: Score = ({ capacity }) =>
  capacity && capacity.memoryMib > 0
    ? (capacity.memoryMib - capacity.memoryPromisedMib) / capacity.memoryMib
    : 0
