import assert from 'node:assert/strict'
import type { Entry } from './tree.ts'

const block = 512
const typeFlag = { file: '0', symlink: '2', directory: '5' } as const

/** Writes a tree as a POSIX "ustar" archive: all owned by root, all of 1970. */
export function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(entry => {
    const content = entry.type === 'file' ? entry.content : Buffer.alloc(0)
    return [header(entry, content.length), content, padding(content.length)]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * block)])
}

function header(entry: Entry, length: number): Buffer {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path
  assert(Buffer.byteLength(path) <= 100, `${path} is longer than the 100 bytes that ustar has`)
  const bytes = Buffer.alloc(block)
  const octal = (number: number, offset: number, digits: number) =>
    bytes.write(`${number.toString(8).padStart(digits, '0')}\0`, offset)
  bytes.write(path, 0)
  octal(entry.type === 'symlink' ? 0o777 : entry.mode, 100, 7)
  octal(0, 108, 7) // owner
  octal(0, 116, 7) // group
  octal(length, 124, 11)
  octal(0, 136, 11) // time
  bytes.write(typeFlag[entry.type], 156)
  if (entry.type === 'symlink') bytes.write(entry.target, 157)
  bytes.write('ustar\x0000root', 257)
  bytes.write('root', 297)
  // The sum is taken over the header with its own eight bytes as spaces.
  bytes.fill(' ', 148, 156)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

const padding = (length: number): Buffer => Buffer.alloc((block - (length % block)) % block)
