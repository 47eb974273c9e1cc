/**
 * How many belong to something that many belong to: to a tenant, a pool, an image, a network. A set
 * of a hundred thousand ids for each would cost more than all that is found by it: their number is
 * asked for all the time, their names only when somebody wants to delete what they belong to, and
 * then the resources themselves are walked.
 */
import type { Resource } from '#shared/model/index.ts'
import { useOf } from './quota.ts'

/** What is counted; the key is a name for tenants and pools, else an id. */
export type Crowd =
  | 'tenant-resources'
  | 'tenant-instances'
  /** What tenants have of what quotas speak of; see quota.ts. Unit: MiB, or a count. */
  | 'tenant-mib'
  | 'tenant-vcpus'
  | 'tenant-disk-mib'
  | 'pool-volumes'
  /** Sizes of the volumes of a pool. Unit: MiB. */
  | 'pool-mib'
  | 'image-volumes'
  | 'network-ports'
  | 'subnet-ports'

/** Changed by the indexes alone. */
export class Crowds {
  readonly #counts = new Map<Crowd, Map<string, number>>()

  of(crowd: Crowd, key: string): number {
    return this.#counts.get(crowd)?.get(key) ?? 0
  }

  enter(resource: Resource): void {
    eachCrowd(resource, (crowd, key, amount) => this.#add(crowd, key, amount))
  }

  leave(resource: Resource): void {
    eachCrowd(resource, (crowd, key, amount) => this.#add(crowd, key, -amount))
  }

  #add(crowd: Crowd, key: string, amount: number): void {
    let counts = this.#counts.get(crowd)
    if (!counts) {
      counts = new Map()
      this.#counts.set(crowd, counts)
    }
    const count = (counts.get(key) ?? 0) + amount
    if (count === 0) counts.delete(key)
    else counts.set(key, count)
  }
}

/** Tells with whom a resource is counted, and for how much. */
function eachCrowd(
  resource: Resource,
  tell: (crowd: Crowd, key: string, amount: number) => void
): void {
  const { kind, tenant } = resource
  if (tenant !== undefined) {
    tell('tenant-resources', tenant, 1)
    if (kind === 'instance') {
      const { memoryMib, vcpus } = useOf(resource)
      tell('tenant-instances', tenant, 1)
      if (memoryMib > 0) tell('tenant-mib', tenant, memoryMib)
      if (vcpus > 0) tell('tenant-vcpus', tenant, vcpus)
    }
    if (kind === 'volume') tell('tenant-disk-mib', tenant, useOf(resource).diskMib)
  }
  if (kind === 'volume') {
    const { spec, decided } = resource
    tell('pool-volumes', spec.pool, 1)
    tell('pool-mib', spec.pool, spec.sizeMib)
    if (decided.imageId) tell('image-volumes', decided.imageId, 1)
  }
  if (kind === 'port') {
    tell('network-ports', resource.decided.networkId, 1)
    tell('subnet-ports', resource.decided.subnetId, 1)
  }
}
