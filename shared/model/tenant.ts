import Type from 'typebox'
import { type KindDefinition, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

export const TenantSpec = Strict({
  description: Type.String({
    maxLength: 1024,
    default: '',
    description: 'Who this is, for people.'
  })
})
export type TenantSpec = DeepReadonly<Type.Static<typeof TenantSpec>>
export type TenantDecided = { readonly deletedAt?: string }
export type Tenant = Stored<'tenant', TenantSpec, TenantDecided>

export const TenantStatus = Strict({
  phase: Words(['active', 'deleting'], { description: 'Where it stands now.' }),
  instances: Type.Integer({ description: 'Instances that it has. Unit: count.' })
})

/** Whoever shares the cloud: its instances, volumes, images and networks have names of their own. */
export const tenantKind: KindDefinition = {
  kind: 'tenant',
  plural: 'tenants',
  prefix: 't',
  scope: 'cloud',
  creatable: true,
  doc: 'One of those who share the cloud; names are unique within a tenant.',
  spec: TenantSpec,
  status: TenantStatus
}
