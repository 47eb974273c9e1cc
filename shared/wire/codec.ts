/**
 * MessagePack: plain values to bytes and back. The only user of its library.
 *
 * Records, the library's shorter form for maps with the same keys, are not used: whoever reads them
 * makes a function out of the sender's keys.
 */
import { Packr, RESERVE_START_SPACE } from 'msgpackr'
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

/** No more can be left free before a value. Unit: bytes. */
export const headroomMax = 255

/**
 * Writes a plain value; fields that are undefined are left out. So many bytes before it are part of
 * what is given and hold anything: whoever asked for them writes into them.
 */
export function encode(value: unknown, headroom = 0): Buffer {
  return headroom === 0 ? packr.pack(value) : packr.pack(value, RESERVE_START_SPACE | headroom)
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
