import type { Filter } from './pipeline.ts'

/** Keeps the one host that the instance is bound to, where it is bound to one. */
export const filterPinned: Filter = ({ host }, { only }) =>
  only === undefined || only.host === host.name
    ? undefined
    : `the instance is bound to ${only.host}: ${only.because}`
