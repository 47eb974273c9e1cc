import type { Kind } from '#shared/model/index.ts'

export const defaultTenant = 'default'

/** How people and histories name a resource: kind/name, or kind/tenant/name outside `default`. */
export const subjectOf = (resource: {
  readonly kind: Kind
  readonly name: string
  readonly tenant?: string
}): string =>
  resource.tenant === undefined || resource.tenant === defaultTenant
    ? `${resource.kind}/${resource.name}`
    : `${resource.kind}/${resource.tenant}/${resource.name}`
