/**
 * The header of a qcow2 file, as far as it decides what other files it makes qemu open.
 *
 * An image comes from a tenant. One that names a backing file or an external data file would let
 * its instance read whatever file of the host it names; so such an image is refused before it is
 * kept. Layout after docs/interop/qcow2.txt of QEMU; all numbers are big-endian.
 */

/** What the header says of the disk and of other files. */
export type Qcow2Header = {
  readonly sizeBytes: number
  /** Where the name of its backing file stands; undefined: it has none. */
  readonly backing: { readonly offset: number; readonly length: number } | undefined
  readonly encrypted: boolean
  readonly externalDataFile: boolean
}

/** So many bytes from the start are enough to read the header. */
export const qcow2HeaderBytes = 80

const magic = 0x514649fb
const externalFileBit = 1n << 2n
const backingNameBytesMax = 1023
/** qemu refuses larger disks than this with the default cluster size. Unit: bytes. */
const sizeBytesMax = 2 ** 53

/** Reads the header; undefined: this is no qcow2 file. */
export function readQcow2Header(bytes: Uint8Array): Qcow2Header | undefined {
  if (bytes.byteLength < 72) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = view.getUint32(4)
  if (view.getUint32(0) !== magic || (version !== 2 && version !== 3)) return undefined
  if (version === 3 && bytes.byteLength < qcow2HeaderBytes) return undefined
  const offset = Number(view.getBigUint64(8))
  const length = view.getUint32(16)
  const sizeBytes = Number(view.getBigUint64(24))
  if (length > backingNameBytesMax || sizeBytes > sizeBytesMax) return undefined
  const features = version === 3 ? view.getBigUint64(72) : 0n
  return {
    sizeBytes,
    backing: offset === 0 ? undefined : { offset, length },
    encrypted: view.getUint32(32) !== 0,
    externalDataFile: (features & externalFileBit) !== 0n
  }
}

/** Says why a file cannot be the content of a qcow2 image; undefined: it can. */
export function qcow2Refusal(bytes: Uint8Array): string | undefined {
  const header = readQcow2Header(bytes)
  if (!header) return 'it is no qcow2 file'
  if (header.backing) return 'it names a backing file'
  if (header.externalDataFile) return 'it names an external data file'
  if (header.encrypted) return 'it is encrypted'
  return undefined
}
