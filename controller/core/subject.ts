import type { Kind } from '#shared/model/index.ts'

/**
 * The tenant that every cloud begins with; it is meant where none is said, and left out of names.
 */
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
