import type { Filter } from './pipeline.ts'

/** Keeps the hosts that have not said of one of its networks that they cannot build it. */
export const filterNetworks: Filter = ({ networkFaults }, { networks }) => {
  if (networkFaults.size === 0) return undefined
  for (const [id, name] of networks ?? []) {
    const fault = networkFaults.get(id)
    if (fault !== undefined) return `network ${name} cannot be used: ${fault}`
  }
  return undefined
}
