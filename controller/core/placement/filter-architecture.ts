import { architectureElse } from '#shared/model/host-facts.ts'
import type { Filter } from './pipeline.ts'

/** Keeps the hosts whose processors the instance is built for; a host that says none is usual. */
export const filterArchitecture: Filter = ({ facts }, { architecture = architectureElse }) => {
  const has = facts?.architecture ?? architectureElse
  return has === architecture
    ? undefined
    : `its processors are ${has}, the instance is for ${architecture}`
}
