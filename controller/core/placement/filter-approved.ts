import type { Filter } from './pipeline.ts'

/** Keeps the hosts that are let in and open for new instances. */
export const filterApproved: Filter = ({ host }) => {
  if (host.decided.approval === 'pending') {
    return `it waits to be let in: remuda host approve ${host.name}`
  }
  return host.spec.schedulable ? undefined : 'it is closed for new instances (schedulable: false)'
}
