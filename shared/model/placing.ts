import Type from 'typebox'
import { architectures, deviceKinds } from './host-facts.ts'
import { Name, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** A key of labels, as hosts have them. */
const labelPattern = '^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$'

/** How an instance stands to the others of a group; see controller/core/groups.ts. */
export const Affinity = Strict({
  group: Name('Group that it belongs to; its members are of one tenant.'),
  rule: Words(['apart', 'with'], {
    description: 'apart: at most max members in one domain; with: all of them in one domain.',
    default: 'apart'
  }),
  level: Type.String({
    pattern: labelPattern,
    default: 'host',
    description: 'What a domain is: host, or a label of hosts, such as rack or zone.'
  }),
  hard: Type.Boolean({
    default: true,
    description: 'Whether it holds in any case, for all members; else as far as there is room.'
  }),
  max: Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 1,
    description: 'Most members in one domain that are kept apart. Unit: count.'
  })
})
export type Affinity = DeepReadonly<Type.Static<typeof Affinity>>

/** What an instance asks of its host besides room and of those beside it; left out: nothing. */
export const PlacingFields = {
  affinity: Type.Optional(
    Type.Array(Affinity, {
      maxItems: 8,
      description: 'How it stands to others: apart from them, or with them.'
    })
  ),
  hostLabels: Type.Optional(
    Type.Record(Type.String({ pattern: labelPattern }), Type.String({ maxLength: 253 }), {
      description: 'Labels that its host must have, such as disk: ssd.',
      maxProperties: 16,
      additionalProperties: false
    })
  ),
  cpuFeatures: Type.Optional(
    Type.Array(Type.String({ pattern: '^[a-z0-9_]{1,32}$', description: 'Such as avx2.' }), {
      maxItems: 32,
      description: 'Features that its processor must have, as Linux names them; a VM needs KVM.'
    })
  ),
  architecture: Type.Optional(
    Words(architectures, {
      description:
        'What the processors of its host must be; left out: what its image is for, or x86_64.'
    })
  ),
  acceleration: Type.Optional(
    Words(['any', 'kvm'], {
      description: 'kvm: only hosts where KVM works; any, as when left out: it may be emulated.'
    })
  ),
  hugePages: Type.Optional(
    Words(['2M', '1G'], {
      description:
        'Size of the pages that the memory of a VM is made of; its host must have set enough of ' +
        'them aside. Left out: common ones.'
    })
  ),
  numa: Type.Optional(
    Words(['any', 'fit'], {
      description:
        'fit: memory and processors of a VM are in one NUMA cell of its host, and it can go to ' +
        'another host only shut down; any, as when left out: wherever there is room.'
    })
  ),
  devices: Type.Optional(
    Type.Array(
      Strict({
        kind: Words(deviceKinds, { description: 'Sort of device.' }),
        count: Type.Integer({
          minimum: 1,
          maximum: 64,
          default: 1,
          description: 'How many. Unit: count.'
        })
      }),
      {
        maxItems: 8,
        description:
          'Devices of its host that a VM has for itself; with them it can go to another host ' +
          'only shut down.'
      }
    )
  )
}

/** So many devices of one sort. */
export type DeviceWish = DeepReadonly<Type.Static<typeof PlacingFields.devices>>[number]

/** Fields of an instance that say where it may be. */
export const placingFields = Object.keys(PlacingFields) as readonly (keyof typeof PlacingFields)[]
