/**
 * What tenants have of what they may have at most. It is counted by what is wished: an instance
 * that should run has its memory and its processors, whether or not it does now, so that nothing
 * that the cloud does by itself, such as a move or a start elsewhere, changes what a tenant has.
 * What its host needs for it beside its memory is not the tenant's.
 */
import type { Resource } from '#shared/model/index.ts'
import type { Tenant } from '#shared/model/tenant.ts'
import type { View } from './view.ts'

/** What quotas speak of, in the order in which it is told. */
export const quotaNames = ['instances', 'memoryMib', 'vcpus', 'diskMib'] as const

/** The name of what a quota speaks of. */
export type QuotaName = (typeof quotaNames)[number]

/** So much of each. */
export type Use = Readonly<Record<QuotaName, number>>

/** Nothing of anything. */
export const noUse: Use = { instances: 0, memoryMib: 0, vcpus: 0, diskMib: 0 }

/** What its tenant has by a resource. */
export function useOf(resource: Resource): Use {
  if (resource.kind === 'volume') return { ...noUse, diskMib: resource.spec.sizeMib }
  if (resource.kind !== 'instance') return noUse
  const { spec, decided } = resource
  const isAtRest = spec.desiredPower === 'stopped' || decided.deletedAt !== undefined
  const { memoryMib, vcpus } = decided
  return isAtRest ? { ...noUse, instances: 1 } : { ...noUse, instances: 1, memoryMib, vcpus }
}

/** What a tenant has in all. */
export function useBy(view: View, { name }: Pick<Tenant, 'name'>): Use {
  const { crowds } = view.indexes
  return {
    instances: crowds.of('tenant-instances', name),
    memoryMib: crowds.of('tenant-mib', name),
    vcpus: crowds.of('tenant-vcpus', name),
    diskMib: crowds.of('tenant-disk-mib', name)
  }
}

/** How many more that take so much each a tenant may have, and why no more; undefined: any. */
export function roomInQuota(
  view: View,
  name: string | undefined,
  each: Use
): { readonly count: number; readonly because: string } | undefined {
  const tenant = name === undefined ? undefined : view.named('tenant', name)
  const { quota } = tenant?.spec ?? {}
  if (!tenant || !quota) return undefined
  const has = useBy(view, tenant)
  let room: ReturnType<typeof roomInQuota>
  for (const part of quotaNames) {
    const most = quota[part]
    if (most === undefined || each[part] === 0) continue
    const count = Math.max(0, Math.floor((most - has[part]) / each[part]))
    if (room && room.count <= count) continue
    const takes = each[part] === 1 ? '' : `, and each takes ${each[part]}`
    room = { count, because: `${part}: it has ${has[part]} of ${most}${takes}` }
  }
  return room
}
