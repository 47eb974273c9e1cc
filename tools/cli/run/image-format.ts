/** How the content of an image is laid out. */
export type ImageFormat = 'qcow2' | 'raw' | 'tar'

/**
 * Tells the format of an image by its first bytes: `QFI` 0xfb begins qcow2 (QEMU, qcow2.txt), tar
 * has `ustar` at 257 (POSIX.1-1988), or is packed by gzip (RFC 1952) or zstd (RFC 8878); anything
 * else is taken for a raw disk.
 */
export function sniffFormat(head: Buffer): ImageFormat {
  const begins = (...bytes: readonly number[]): boolean =>
    bytes.every((byte, index) => head[index] === byte)
  if (begins(0x51, 0x46, 0x49, 0xfb)) return 'qcow2'
  if (begins(0x1f, 0x8b) || begins(0x28, 0xb5, 0x2f, 0xfd)) return 'tar'
  return head.subarray(257, 262).toString('latin1') === 'ustar' ? 'tar' : 'raw'
}

/** Tells the format of an image by its name, where its content is not at hand. */
export function formatOfName(name: string): ImageFormat {
  if (/\.(tar(\.(gz|zst|zstd))?|tgz)$/i.test(name)) return 'tar'
  return /\.(raw|img\.raw|bin)$/i.test(name) ? 'raw' : 'qcow2'
}
