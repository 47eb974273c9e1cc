import type { Filter } from './pipeline.ts'

/** Keeps the hosts whose agent is heard now. */
export const filterOnline: Filter = ({ phase }) => {
  switch (phase) {
    case 'online':
    case 'late':
    case 'pending':
      return undefined
    case 'silent':
      return 'its agent is silent'
    case 'unknown':
      return 'its agent has not been heard by this controller yet'
    default:
      return phase satisfies never
  }
}
