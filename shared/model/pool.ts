import Type from 'typebox'
import { type KindDefinition, mib, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

export const PoolSpec = Strict({
  driver: Words(['directory'], {
    description: 'How volumes are kept: directory, as files below a path.',
    default: 'directory'
  }),
  path: Type.Optional(
    Type.String({
      pattern: '^/[^\\0]*$',
      maxLength: 1024,
      description: "Absolute path on the hosts; a folder in the agent's state when left out."
    })
  ),
  shared: Type.Boolean({
    default: false,
    description: 'Whether all hosts see the same volumes at this path.'
  })
})
export type PoolSpec = DeepReadonly<Type.Static<typeof PoolSpec>>
export type PoolDecided = { readonly deletedAt?: string }
export type Pool = Stored<'pool', PoolSpec, PoolDecided>

export const PoolStatus = Strict({
  phase: Words(['ready', 'failed', 'unknown'], { description: 'Where it stands now.' }),
  capacityMib: mib('Room that the hosts report, in all.', 0, Number.MAX_SAFE_INTEGER),
  freeMib: mib('Room that is left, in all.', 0, Number.MAX_SAFE_INTEGER),
  promisedMib: mib('Sum of the sizes of its volumes.', 0, Number.MAX_SAFE_INTEGER)
})

export const poolKind: KindDefinition = {
  kind: 'pool',
  plural: 'pools',
  prefix: 'sp',
  scope: 'cloud',
  creatable: true,
  doc: 'Where volumes live.',
  spec: PoolSpec,
  status: PoolStatus
}
