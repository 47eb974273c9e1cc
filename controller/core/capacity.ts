import type { Host } from '#shared/model/host.ts'
import type { Mib } from '#shared/units.ts'
import type { View } from './view.ts'

/** What a host may give to instances, and what it has promised. */
export type Capacity = {
  readonly memoryMib: Mib
  readonly memoryPromisedMib: Mib
  readonly vcpus: number
  readonly vcpusPromised: number
  readonly instances: number
}

/** Undefined until the host has reported its hardware to this controller. */
export function capacityOf(view: View, host: Host): Capacity | undefined {
  const facts = view.heard(host.name).report?.facts
  if (!facts) return undefined
  const promised = view.indexes.promised(host.name)
  return {
    memoryMib: Math.max(0, facts.memoryMib - host.spec.reservedMib),
    memoryPromisedMib: promised.memoryMib,
    vcpus: Math.floor(facts.cpu.threads * host.spec.vcpusPerThread),
    vcpusPromised: promised.vcpus,
    instances: promised.count
  }
}
