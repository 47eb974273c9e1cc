import Type from 'typebox'
import { type KindDefinition, mib, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

const Most = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000_000, description }))

/** The most that a tenant may have; what is left out has no limit. */
export const Quota = Strict(
  {
    instances: Most('Instances, whether or not they run. Unit: count.'),
    memoryMib: Type.Optional(mib('Memory of those that should run.', 0, 2 ** 40)),
    vcpus: Most('Virtual processors of those that should run. Unit: count.'),
    diskMib: Type.Optional(mib('Sizes of volumes.', 0, 2 ** 40))
  },
  { description: 'The most that it may have; what it has already stays.' }
)

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
  ),
  quota: Type.Optional(Quota)
})
export type TenantSpec = DeepReadonly<Type.Static<typeof TenantSpec>>

/** What is decided of a tenant; it can go once it has no resources. */
export type TenantDecided = { readonly deletedAt?: string }

/** A tenant in the journal; its resources carry its name, which never changes. */
export type Tenant = Stored<'tenant', TenantSpec, TenantDecided>

/** What a tenant has, as its quota counts it. */
export const TenantStatus = Strict({
  phase: Words(['active', 'deleting'], { description: 'Where it stands now.' }),
  instances: Type.Integer({ description: 'Instances that it has. Unit: count.' }),
  memoryMib: mib('Memory of those that should run.', 0, Number.MAX_SAFE_INTEGER),
  vcpus: Type.Integer({ description: 'Virtual processors of those. Unit: count.' }),
  diskMib: mib('Sizes of its volumes.', 0, Number.MAX_SAFE_INTEGER)
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
