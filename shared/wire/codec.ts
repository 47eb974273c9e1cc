/**
 * MessagePack: plain values to bytes and back. The only user of its library.
 *
 * Records, the library's shorter form for maps with the same keys, are not used: whoever reads them
 * makes a function out of the sender's keys.
 */
import { Packr } from 'msgpackr'
import { sentence } from '../fault.ts'
import { objectionToBytes } from './scan.ts'
import { UnreadableFault } from './unreadable.ts'

const options = {
  useRecords: false,
  mapsAsObjects: true,
  structuredClone: false,
  moreTypes: false,
  bundleStrings: false,
  copyBuffers: false,
  int64AsType: 'number',
  skipValues: [undefined]
} as const
const packr = new Packr(options)

/** Writes a plain value; fields that are undefined are left out. */
export function encode(value: unknown): Uint8Array {
  return packr.pack(value)
}

/**
 * Reads one plain value. Anything else, whatever it is, is Fault `protocol`. Bytes inside come out
 * as a Uint8Array that is a view of the argument.
 */
export function decode(bytes: Uint8Array): unknown {
  const objection = objectionToBytes(bytes)
  if (objection !== undefined) throw unreadable(bytes, objection)
  try {
    return packr.unpack(plain(bytes) as Buffer)
  } catch (thrown) {
    throw unreadable(bytes, sentence(thrown), { cause: thrown })
  }
}

const unreadable = (bytes: Uint8Array, because: string, options: ErrorOptions = {}) =>
  new UnreadableFault(
    'garbage',
    `cannot read a message of ${bytes.length} bytes: ${because}`,
    options
  )

/** A Buffer's own subarrays are Buffers, whose slice() does not copy; ours are plain. */
const plain = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
