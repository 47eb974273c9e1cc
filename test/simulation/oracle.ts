/** A batch in which these never happen shows nothing. */
import { faultNames } from './faults.ts'
import type { Counts } from './simulated-cloud.ts'

const wanted = [
  'acknowledged',
  'unknown outcomes',
  'never answered',
  'epochs raised',
  'take-overs',
  'candidates ended',
  'stale orders refused',
  'verb create',
  'verb change',
  'verb power',
  'verb move',
  'verb cancel-move',
  'verb delete',
  ...faultNames
]

/** What should have happened in these counts, and did not. */
export const sometimes = (counts: Counts): readonly string[] => wanted.filter(what => !counts[what])
