import Type from 'typebox'
import {
  type KindDefinition,
  mib,
  type NothingDecided,
  type Stored,
  Strict,
  Words
} from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** Where volumes are kept on each host, or on storage that all hosts share; fixed once made. */
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
  }),
  locks: Type.Optional(
    Words(['none', 'virtlockd'], {
      description:
        'How a volume is locked while a VM uses it: by the virtlockd of its host, or not at all, ' +
        'as when left out. Hosts that cannot do it do not use the pool.'
    })
  ),
  lockFolder: Type.Optional(
    Type.String({
      pattern: '^/[^\\0]*$',
      maxLength: 1024,
      description:
        'Absolute path of the folder that all hosts see and in which their virtlockd holds the ' +
        'locks: file_lockspace_dir of qemu-lockd.conf; the volumes themselves when left out.'
    })
  ),
  heartbeats: Type.Optional(
    Type.Boolean({
      description:
        'Whether each host writes a heartbeat to it every second, by which the others see that ' +
        'it lives: 512 bytes in .remuda/heartbeats. Of shared pools alone; as when left out: yes.'
    })
  )
})
export type PoolSpec = DeepReadonly<Type.Static<typeof PoolSpec>>

/** A pool in the journal; each order names all pools. */
export type Pool = Stored<'pool', PoolSpec, NothingDecided>

/** What the hosts that are heard report of a pool, added up unless they share it. */
export const PoolStatus = Strict({
  phase: Words(['ready', 'failed', 'unknown'], { description: 'Where it stands now.' }),
  capacityMib: mib('Room that the hosts report, in all.', 0, Number.MAX_SAFE_INTEGER),
  freeMib: mib('Room that is left, in all.', 0, Number.MAX_SAFE_INTEGER),
  promisedMib: mib('Sum of the sizes of its volumes.', 0, Number.MAX_SAFE_INTEGER)
})

/** Pools belong to the cloud, so that tenants need not know where their volumes are. */
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
