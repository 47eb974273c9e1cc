import Type from 'typebox'
import { type KindDefinition, mib, Name, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

export const volumeFormats = ['qcow2', 'raw', 'tree'] as const
export type VolumeFormat = (typeof volumeFormats)[number]

export const VolumeSpec = Strict({
  pool: Name('Pool that it lives in.', { default: 'local' }),
  format: Words(volumeFormats, {
    description: 'qcow2 or raw for VMs; tree, a directory, for the root of a container.',
    default: 'qcow2'
  }),
  sizeMib: mib('Size; may grow, never shrink.', 1, 64 * 1024 * 1024),
  image: Type.Optional(Name('Image that it starts as a copy of.'))
})
export type VolumeSpec = DeepReadonly<Type.Static<typeof VolumeSpec>>
export type VolumeDecided = {
  /** Name of the host that holds it, where its pool is not shared. */
  readonly host?: string
  /** Id of the image that it was made from. */
  readonly imageId?: string
  /** Id of the instance that it was made for and goes with. */
  readonly ownerId?: string
  readonly deletedAt?: string
}
export type Volume = Stored<'volume', VolumeSpec, VolumeDecided>

export const volumePhases = [
  'pending',
  'creating',
  'ready',
  'failed',
  'unknown',
  'deleting'
] as const
export const VolumeStatus = Strict({
  phase: Words(volumePhases, { description: 'Where it stands now.' }),
  host: Type.Optional(Name('Host that holds it, where its pool is not shared.')),
  instance: Type.Optional(Name('Instance that uses it.')),
  usedMib: Type.Optional(mib('Room that it takes up.', 0, Number.MAX_SAFE_INTEGER))
})

export const volumeKind: KindDefinition = {
  kind: 'volume',
  plural: 'volumes',
  prefix: 'v',
  scope: 'tenant',
  creatable: true,
  doc: 'Block storage of an instance, or the root directory of a container.',
  spec: VolumeSpec,
  status: VolumeStatus
}
