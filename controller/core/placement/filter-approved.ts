import type { Filter } from './pipeline.ts'

/** Keeps the hosts that are let in, in service and open for new instances. */
export const filterApproved: Filter = ({ host }) => {
  if (host.decided.approval === 'pending') {
    return `it waits to be let in: remuda host approve ${host.name}`
  }
  const { duty, recovery } = host.decided
  if (recovery) return `it is being recovered since ${recovery.since} (${recovery.phase})`
  if (duty) return `it is out of service since ${duty.since} (${duty.state})`
  return host.spec.schedulable ? undefined : 'it is closed for new instances (schedulable: false)'
}
