import type { Filter } from './pipeline.ts'

/** What instances are built for, and hosts are that do not say it. */
const usual = 'x86_64'

/** Keeps the hosts whose processors instances are built for. */
export const filterArchitecture: Filter = ({ facts }) => {
  const has = facts?.architecture ?? usual
  return has === usual ? undefined : `its processors are ${has}, instances are for ${usual}`
}
