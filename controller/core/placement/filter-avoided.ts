import type { Filter } from './pipeline.ts'

/** Keeps the hosts that nothing speaks against, such as that the instance failed there. */
export const filterAvoided: Filter = ({ host }, { avoided }) => avoided?.get(host.name)
