import type { Filter } from './pipeline.ts'

/** Keeps the hosts that may carry so many more virtual processors. */
export const filterVcpus: Filter = ({ capacity, host }, { vcpus, running }) => {
  if (!running) return undefined
  if (!capacity) return 'its hardware is not reported yet'
  const free = capacity.vcpus - capacity.vcpusPromised
  if (free >= vcpus) return undefined
  const ratio = `${host.spec.vcpusPerThread} per thread`
  return `needs ${vcpus} vcpus, has ${free} of ${capacity.vcpus} unpromised (${ratio})`
}
