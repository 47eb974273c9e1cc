import Type from 'typebox'
import { architectures } from './host-facts.ts'
import { type KindDefinition, mib, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** How an image's content may be laid out: a disk in two ways, or a root directory. */
export const imageFormats = ['qcow2', 'raw', 'tar'] as const

/** What an image holds and where its content comes from; `type` and `format` never change. */
export const ImageSpec = Strict({
  type: Words(['vm', 'container'], {
    description: 'What can start from it.',
    default: 'vm'
  }),
  format: Words(imageFormats, {
    description: 'qcow2 or raw: a bootable disk; tar (also gzip, zstd): a root file system.',
    default: 'qcow2'
  }),
  architecture: Type.Optional(
    Words(architectures, {
      description: 'Which processors it is for; left out: x86_64, unless an instance says another.'
    })
  ),
  source: Type.Optional(
    Type.String({
      pattern: '^https?://',
      maxLength: 2048,
      description: 'Where the controller fetches it; without one the content is uploaded.'
    })
  ),
  sha256: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'What the content must hash to; anything else is refused.'
    })
  ),
  minMemoryMib: Type.Optional(
    mib('Least memory that an instance of it needs; with less it would not start.', 0, 2 ** 24)
  ),
  shared: Type.Boolean({ default: false, description: 'Whether other tenants may start from it.' })
})
export type ImageSpec = DeepReadonly<Type.Static<typeof ImageSpec>>

/** What became of the content. It is set once: images never change. */
export type ImageDecided = {
  /** Set once the whole content is stored and verified. */
  readonly content?: {
    readonly sha256: string
    readonly sizeBytes: number
    /** Size of the disk that it holds; of a tar, of what it unpacks to. Unit: MiB. */
    readonly virtualMib: number
  }
  /** Why the last attempt to import failed. */
  readonly failure?: string
  readonly deletedAt?: string
}

/** An image in the journal; its content lies in the controller's image folder. */
export type Image = Stored<'image', ImageSpec, ImageDecided>

/** How far an image is, and on how many hosts volumes can be made from it. */
export const ImageStatus = Strict({
  phase: Words(['pending', 'ready', 'failed', 'deleting'], {
    description: 'Where it stands now.'
  }),
  sizeBytes: Type.Optional(Type.Integer({ description: 'Size of the content. Unit: bytes.' })),
  virtualMib: Type.Optional(Type.Integer({ description: 'Size of a volume of it. Unit: MiB.' })),
  sha256: Type.Optional(Type.String({ description: 'Hash of the content, hexadecimal.' })),
  hosts: Type.Integer({ description: 'Hosts that hold a copy. Unit: count.' })
})

/** Images are made by import from an address, or created first and filled by an upload. */
export const imageKind: KindDefinition = {
  kind: 'image',
  plural: 'images',
  prefix: 'im',
  scope: 'tenant',
  creatable: true,
  doc: 'An immutable master copy that volumes are made from.',
  spec: ImageSpec,
  status: ImageStatus
}
