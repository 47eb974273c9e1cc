import Type from 'typebox'
import { type KindDefinition, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** A tenant is its name, and what may be done with its instances when room is short. */
export const TenantSpec = Strict({
  description: Type.String({
    maxLength: 1024,
    default: '',
    description: 'Who this is, for people.'
  }),
  preemption: Type.Optional(
    Words(['never', 'own'], {
      description:
        'Whether its less important instances may be stopped for a more important one that has ' +
        'lost its host, must leave it or is to start there, and finds no place: never (as when ' +
        'left out), or its own.'
    })
  )
})
export type TenantSpec = DeepReadonly<Type.Static<typeof TenantSpec>>

/** What is decided of a tenant; it can go once it has no resources. */
export type TenantDecided = { readonly deletedAt?: string }

/** A tenant in the journal; its resources carry its name, which never changes. */
export type Tenant = Stored<'tenant', TenantSpec, TenantDecided>

/** How many instances a tenant has, whatever their state. */
export const TenantStatus = Strict({
  phase: Words(['active', 'deleting'], { description: 'Where it stands now.' }),
  instances: Type.Integer({ description: 'Instances that it has. Unit: count.' })
})

/** Tenants belong to the cloud: everything that is a tenant's own carries its name. */
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
