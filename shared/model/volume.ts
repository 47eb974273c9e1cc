import Type from 'typebox'
import { type KindDefinition, mib, Name, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** How a volume is kept: as a file that grows, a file of full size, or a directory. */
export const volumeFormats = ['qcow2', 'raw', 'tree'] as const

/** One of `volumeFormats`; VMs use the first two, containers `tree`. */
export type VolumeFormat = (typeof volumeFormats)[number]

/** What a volume is; only its size may change, and only grow. */
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

/** Where a volume is and what it was made from and for. */
export type VolumeDecided = {
  /** Name of the host that makes it and works on it, also where its pool is shared. */
  readonly host?: string
  /** Id of the image that it was made from. */
  readonly imageId?: string
  /** Id of the instance that it was made for and goes with. */
  readonly ownerId?: string
  /** An instance was started with it: if it is missing it is lost, and never made anew. */
  readonly isUsed?: true
  readonly deletedAt?: string
}

/** A volume in the journal; hosts remove one only when the order says so of that very volume. */
export type Volume = Stored<'volume', VolumeSpec, VolumeDecided>

/** `pending`: no host makes it yet; `unknown`: its host has said nothing of it. */
export const volumePhases = [
  'pending',
  'creating',
  'ready',
  'failed',
  'unknown',
  'deleting'
] as const

/** How a volume is on its host, and which instance uses it. */
export const VolumeStatus = Strict({
  phase: Words(volumePhases, { description: 'Where it stands now.' }),
  host: Type.Optional(Name('Host that works on it.')),
  instance: Type.Optional(Name('Instance that uses it.')),
  usedMib: Type.Optional(mib('Room that it takes up.', 0, Number.MAX_SAFE_INTEGER))
})

/** Volumes are created by users, or as the root of an instance, with which they then go. */
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
