/**
 * A version of the image that hosts boot over the network: kernel, initial file system and root,
 * named by what is in them. Its manifest says the SHA-256 of each file and is signed (Ed25519, as
 * signify writes it, in a file beside it); the initial file system verifies that before it mounts.
 */
import Type from 'typebox'
import { Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

/** Architectures that hosts may have. */
export const hostImageArchitectures = ['x86_64', 'aarch64'] as const
/**
 * `cloud`: Debian's kernel for clouds, which has no watchdog; `minimal`: drivers of virtual
 * machines only; `full`: with those and the firmware of metal.
 */
export const hostImageProfiles = ['cloud', 'minimal', 'full'] as const

/** Files of a version; those that may be left out are for Secure Boot. */
export const hostImageFiles = ['vmlinuz', 'initrd', 'root.squashfs', 'boot.efi'] as const
/** One of them. */
export type HostImageFileName = (typeof hostImageFiles)[number]

/** Name of the manifest, which lies beside the files. */
export const manifestName = 'manifest.json'
/** Name of its signature, which lies there too. */
export const signatureName = 'manifest.json.sig'

/** The first 16 hexadecimal digits of the SHA-256 of all of the manifest but this. */
export const HostImageVersion = Type.String({
  pattern: '^[0-9a-f]{16}$',
  description: 'Version of a host image, by its content: 16 hexadecimal digits.'
})

const HostImageFile = Strict({
  bytes: Type.Integer({ minimum: 1, maximum: 8 * 1024 ** 3, description: 'Length. Unit: bytes.' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, hexadecimal.' })
})

/** What a version is. */
export const HostImageManifest = Strict({
  format: Type.Literal(1),
  version: HostImageVersion,
  architecture: Words(hostImageArchitectures, { description: 'Architecture of its hosts.' }),
  profile: Words(hostImageProfiles, { description: 'Which drivers and firmware it has.' }),
  kernel: Type.String({ maxLength: 128, description: 'Release of its kernel.' }),
  remuda: Type.String({ maxLength: 64, description: 'Version of its agent.' }),
  files: Strict({
    vmlinuz: HostImageFile,
    initrd: HostImageFile,
    'root.squashfs': HostImageFile,
    'boot.efi': Type.Optional(HostImageFile)
  })
})
export type HostImageManifest = DeepReadonly<Type.Static<typeof HostImageManifest>>
