import type { Entry } from './tree.ts'

const typeBits = { directory: 0o040000, file: 0o100000, symlink: 0o120000 } as const

/**
 * Writes a tree as a cpio archive of the kernel's kind, "newc": all owned by root, all of 1970.
 * The format is Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
 */
export function cpio(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((entry, index) => {
    const content =
      entry.type === 'file'
        ? entry.content
        : Buffer.from(entry.type === 'symlink' ? entry.target : '')
    const mode = typeBits[entry.type] | (entry.type === 'symlink' ? 0o777 : entry.mode)
    return member({ index: index + 1, path: entry.path, mode, content })
  })
  parts.push(...member({ index: 0, path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) }))
  return Buffer.concat(parts)
}

type Member = {
  readonly index: number
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

function member({ index, path, mode, content }: Member): Buffer[] {
  const name = Buffer.from(`${path}\0`)
  const links = 1
  // inode, mode, uid, gid, links, mtime, size, device (4 numbers), length of the name, checksum
  const fields = [index, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0]
  const header = Buffer.from(
    `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`
  )
  return [header, name, padding(header.length + name.length), content, padding(content.length)]
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4)
