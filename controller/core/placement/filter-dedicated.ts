import { listed } from '../refusal.ts'
import type { Filter } from './pipeline.ts'

/** Keeps the hosts that are for all tenants, or for this one. */
export const filterDedicated: Filter = ({ host }, { tenant }) => {
  const { dedicated } = host.spec
  if (dedicated === undefined || (tenant !== undefined && dedicated.includes(tenant))) {
    return undefined
  }
  return `it is dedicated to ${listed(dedicated)}`
}
