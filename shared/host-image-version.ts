/** How the manifest of a host image is written, and what its version is. */
import { createHash } from 'node:crypto'
import type { HostImageManifest } from './model/host-image.ts'

/** All of a manifest but its version, which is made of it. */
export type HostImageContent = Omit<HostImageManifest, 'version'>

const versionDigits = 16

/** The version of an image with this content: it begins the SHA-256 of its canonical text. */
export const versionOfHostImage = (content: HostImageContent): string =>
  createHash('sha256').update(canonical(content)).digest('hex').slice(0, versionDigits)

/** Writes a manifest as it is signed: on one line, its fields in the order of the schema. */
export const hostImageManifestText = (manifest: HostImageManifest): string =>
  `${canonical(manifest)}\n`

/** The same text for the same content, whatever the order of its fields. */
function canonical(manifest: HostImageContent & { readonly version?: string }): string {
  const { format, version, architecture, profile, kernel, remuda, files } = manifest
  const file = ({ bytes, sha256 }: { readonly bytes: number; readonly sha256: string }) => ({
    ...{ bytes, sha256 }
  })
  const efi = files['boot.efi']
  return JSON.stringify({
    format,
    ...(version !== undefined && { version }),
    ...{ architecture, profile, kernel, remuda },
    files: {
      vmlinuz: file(files.vmlinuz),
      initrd: file(files.initrd),
      'root.squashfs': file(files['root.squashfs']),
      ...(efi && { 'boot.efi': file(efi) })
    }
  })
}
