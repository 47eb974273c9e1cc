/**
 * Reads single values of MessagePack out of bytes that nobody has looked through yet.
 *
 * Whatever is not just what was asked for, well formed and in the form that our own encoder
 * chooses, is `unexpected`: one constant that is thrown, since it is never told to anybody. Whoever
 * reads with a cursor catches it and has the plain way say what is wrong, if anything is.
 */
import { containersMax, valuesMax } from './scan.ts'

/** What is thrown by all that read with a cursor; it says only: not in this way. */
export const unexpected: unique symbol = Symbol('unexpected')

/** No text that is written with its length in the token itself is longer. Unit: bytes. */
const shortTextMax = 31
const float = new DataView(new ArrayBuffer(8))

/** A place in some bytes. One is used for all messages, one after another. */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  /** Whether the text that was read last has no character beyond ASCII. */
  isAscii = true
  #values = 0
  #containers = 0

  /** Begins anew, in other bytes. */
  open(bytes: Uint8Array, at: number): void {
    this.bytes = asBuffer(bytes)
    this.at = at
    this.#values = 0
    this.#containers = 0
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length
  }

  token(): number {
    if (this.at >= this.bytes.length) throw unexpected
    return this.bytes[this.at++]!
  }

  /** Begins a map; gives how many pairs follow. */
  pairs(): number {
    const token = this.token()
    let count = token & 0x0f
    if (token === 0xde) count = this.unsigned(2)
    else if (token < 0x80 || token > 0x8f) throw unexpected
    return this.#contains(count, 2)
  }

  /** Begins a list; gives how many values follow. */
  items(): number {
    const token = this.token()
    let count = token & 0x0f
    if (token === 0xdc) count = this.unsigned(2)
    else if (token === 0xdd) count = this.unsigned(4)
    else if (token < 0x90 || token > 0x9f) throw unexpected
    return this.#contains(count, 1)
  }

  /** The same bounds as in scan.ts: nothing is built that the bytes could not hold. */
  #contains(count: number, each: number): number {
    this.#values += count * each
    this.#containers++
    const isTooMuch = this.#values > valuesMax || this.#containers > containersMax
    if (isTooMuch || count * each > this.bytes.length - this.at) throw unexpected
    return count
  }

  /** An unsigned number of so many bytes, the highest first. */
  unsigned(width: 1 | 2 | 4): number {
    const { bytes, at } = this
    if (at + width > bytes.length) throw unexpected
    this.at = at + width
    if (width === 1) return bytes[at]!
    if (width === 2) return (bytes[at]! << 8) | bytes[at + 1]!
    const high = ((bytes[at]! << 8) | bytes[at + 1]!) * 0x1_00_00
    return high + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
  }

  #float(): number {
    const { bytes, at } = this
    if (at + 8 > bytes.length) throw unexpected
    for (let index = 0; index < 8; index++) float.setUint8(index, bytes[at + index]!)
    this.at = at + 8
    return float.getFloat64(0)
  }

  number(): number {
    const token = this.token()
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x1_00
    switch (token) {
      case 0xcb: // float 64
        return this.#float()
      case 0xcc: // uint 8
        return this.unsigned(1)
      case 0xcd: // uint 16
        return this.unsigned(2)
      case 0xce: // uint 32
        return this.unsigned(4)
      default:
        throw unexpected
    }
  }

  boolean(): boolean {
    const token = this.token()
    if (token !== 0xc2 && token !== 0xc3) throw unexpected
    return token === 0xc3
  }

  text(): string {
    const length = this.#textLength()
    const { bytes, at } = this
    const end = at + length
    this.at = end
    let [bits, hash] = [0, length]
    for (let index = at; index < end; index++) {
      const byte = bytes[index]!
      bits |= byte
      hash = (hash * 31 + byte) | 0
    }
    this.isAscii = bits < 0x80
    if (!this.isAscii) return unicode(bytes, at, end)
    return length <= rememberedMax
      ? remember(bytes, at, end, hash)
      : bytes.toString('latin1', at, end)
  }

  /** Begins a text; gives how many bytes of it follow, which are there. */
  #textLength(): number {
    const token = this.token()
    let length = token & shortTextMax
    if (token === 0xd9) length = this.unsigned(1)
    else if (token === 0xda) length = this.unsigned(2)
    else if (token === 0xdb) length = this.unsigned(4)
    else if (token < 0xa0 || token > 0xbf) throw unexpected
    if (length > this.bytes.length - this.at) throw unexpected
    return length
  }

  /** Bytes as they are: a view. */
  view(): Uint8Array {
    const token = this.token()
    if (token < 0xc4 || token > 0xc6) throw unexpected
    const length = this.unsigned(token === 0xc4 ? 1 : token === 0xc5 ? 2 : 4)
    const { bytes, at } = this
    if (length > bytes.length - at) throw unexpected
    this.at = at + length
    return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
  }

  /** Steps over these bytes if they are what comes next. */
  passes(wanted: Uint8Array): boolean {
    const { bytes, at } = this
    const { length } = wanted
    if (length > bytes.length - at) return false
    for (let index = 0; index < length; index++) {
      if (bytes[at + index] !== wanted[index]) return false
    }
    this.at = at + length
    return true
  }
}

/** Texts that came lately, at places that their bytes add up to: most come again and again. */
const remembered: string[] = Array(2_048).fill('')
/** No longer ones are remembered. */
const rememberedMax = 40

function remember(bytes: Buffer, start: number, end: number, hash: number): string {
  const slot = hash & (remembered.length - 1)
  const known = remembered[slot]!
  if (known.length === end - start) {
    let index = 0
    while (index < known.length && known.charCodeAt(index) === bytes[start + index]) index++
    if (index === known.length) return known
  }
  const text = bytes.toString('latin1', start, end)
  remembered[slot] = text
  return text
}

/** Bytes that are no UTF-8 come out with signs of replacement, as some texts have them anyway. */
function unicode(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end)
  if (text.includes('\ufffd')) throw unexpected
  return text
}

/** The same bytes as a Buffer. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
