/**
 * XDR (RFC 4506), the encoding of libvirt's protocol: everything is big-endian and padded with
 * zeros to four bytes. A codec describes a type once and both reads and writes it, so a structure
 * of the protocol is one line. Codecs know bytes and an offset, and nothing of sockets.
 *
 * What is read comes from outside. A length is believed only as far as the bytes that are there:
 * every element takes at least four of them, so no count can make us allocate more than the
 * packet's own size. Whatever the bytes, a reader gives a value or a Fault `protocol`.
 */
import assert from 'node:assert/strict'
import { Fault } from '#shared/fault.ts'

/** libvirt's limit for one string, in bytes (REMOTE_STRING_MAX). */
export const stringBytesMax = 4 * 2 ** 20

/** Reads and writes one type of the protocol. */
export interface Codec<Value> {
  read(reader: XdrReader): Value
  write(writer: XdrWriter, value: Value): void
}

/** The type of what a codec reads. */
export type ValueOf<Type> = Type extends Codec<infer Value> ? Value : never

/** A place in some bytes, which it never leaves. */
export class XdrReader {
  readonly #bytes: Buffer
  #offset: number

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes
    this.#offset = offset
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#offset
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  uint(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  hyper(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  uhyper(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8))
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  boolean(): boolean {
    const value = this.int()
    if (value !== 0 && value !== 1) throw garbled(`${value} is no truth value`, this.#offset - 4)
    return value === 1
  }

  /** Bytes of a length known beforehand, with their padding; they share memory with the packet. */
  bytes(length: number): Buffer {
    const start = this.#take(length)
    const padding = this.#bytes.subarray(this.#take(-length & 3), this.#offset)
    if (padding.some(byte => byte !== 0)) throw garbled('the padding is not zero', this.#offset)
    return this.#bytes.subarray(start, start + length)
  }

  /** How many elements follow, checked against the bytes that are left for them. */
  count(): number {
    const count = this.uint()
    if (count * 4 > this.left) {
      throw garbled(`${count} elements cannot be in ${this.left} bytes`, this.#offset - 4)
    }
    return count
  }

  /** All that is left, without any structure. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#take(this.left))
  }

  /** Throws unless everything has been read. */
  end(): void {
    if (this.left > 0) throw garbled(`${this.left} bytes are left over`, this.#offset)
  }

  #take(length: number): number {
    if (length > this.left) {
      throw garbled(`${length} bytes are announced, ${this.left} are there`, this.#offset)
    }
    const start = this.#offset
    this.#offset += length
    return start
  }
}

/** Bytes in the making. */
export class XdrWriter {
  #bytes = Buffer.alloc(256)
  #length = 0

  int(value: number): void {
    const start = this.#room(4)
    this.#bytes.writeInt32BE(value, start)
  }

  uint(value: number): void {
    const start = this.#room(4)
    this.#bytes.writeUInt32BE(value, start)
  }

  hyper(value: bigint): void {
    const start = this.#room(8)
    this.#bytes.writeBigInt64BE(value, start)
  }

  uhyper(value: bigint): void {
    const start = this.#room(8)
    this.#bytes.writeBigUInt64BE(value, start)
  }

  double(value: number): void {
    const start = this.#room(8)
    this.#bytes.writeDoubleBE(value, start)
  }

  /** Bytes with their padding; the length is not written. */
  bytes(value: Uint8Array): void {
    const start = this.#room(value.length + (-value.length & 3))
    this.#bytes.set(value, start)
  }

  /** What has been written. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, start))
      this.#bytes = larger
    }
    return start
  }
}

/** 32 bits with a sign. */
export const int: Codec<number> = {
  read: reader => reader.int(),
  write: (writer, value) => writer.int(value)
}

/** 32 bits without a sign. */
export const uint: Codec<number> = {
  read: reader => reader.uint(),
  write: (writer, value) => writer.uint(value)
}

/** 64 bits with a sign. */
export const hyper: Codec<bigint> = {
  read: reader => reader.hyper(),
  write: (writer, value) => writer.hyper(value)
}

/** 64 bits without a sign. */
export const uhyper: Codec<bigint> = {
  read: reader => reader.uhyper(),
  write: (writer, value) => writer.uhyper(value)
}

/** A length and that many bytes. What is read shares memory with the packet. */
export const opaque: Codec<Uint8Array> = {
  read: reader => reader.bytes(reader.uint()),
  write: (writer, value) => {
    writer.uint(value.length)
    writer.bytes(value)
  }
}

/** Bytes of a fixed number. What is read shares memory with the packet. */
export const fixedOpaque = (length: number): Codec<Uint8Array> => ({
  read: reader => reader.bytes(length),
  write: (writer, value) => {
    assert(value.length === length, `${value.length} bytes where ${length} belong`)
    writer.bytes(value)
  }
})

/** Text in UTF-8, at most `stringBytesMax` long. What is no UTF-8 is read as U+FFFD. */
export const string: Codec<string> = {
  read: reader => {
    const length = reader.uint()
    if (length > stringBytesMax) throw garbled(`a string of ${length} bytes is too long`)
    return reader.bytes(length).toString('utf8')
  },
  write: (writer, value) => {
    const bytes = Buffer.from(value, 'utf8')
    if (bytes.length > stringBytesMax) {
      throw new Fault(
        'invalid',
        `cannot send a text of ${bytes.length} bytes to libvirt: it takes ${stringBytesMax}`
      )
    }
    writer.uint(bytes.length)
    writer.bytes(bytes)
  }
}

/** A value that may be missing. */
export const optional = <Value>(codec: Codec<Value>): Codec<Value | undefined> => ({
  read: reader => (reader.boolean() ? codec.read(reader) : undefined),
  write: (writer, value) => {
    writer.int(value === undefined ? 0 : 1)
    if (value !== undefined) codec.write(writer, value)
  }
})

/** A count and that many elements, each of which takes four bytes or more. */
export const array = <Value>(codec: Codec<Value>): Codec<readonly Value[]> => ({
  read: reader => Array.from({ length: reader.count() }, () => codec.read(reader)),
  write: (writer, values) => {
    writer.uint(values.length)
    for (const value of values) codec.write(writer, value)
  }
})

/** Elements of a fixed number. */
export const fixedArray = <Value>(
  length: number,
  codec: Codec<Value>
): Codec<readonly Value[]> => ({
  read: reader => Array.from({ length }, () => codec.read(reader)),
  write: (writer, values) => {
    assert(values.length === length, `${values.length} elements where ${length} belong`)
    for (const value of values) codec.write(writer, value)
  }
})

/** Named values one after another, in the order in which they are written here. */
export function struct<const Fields extends Readonly<Record<string, Codec<unknown>>>>(
  fields: Fields
): Codec<{ readonly [Name in keyof Fields]: ValueOf<Fields[Name]> }> {
  type Value = { readonly [Name in keyof Fields]: ValueOf<Fields[Name]> }
  const entries = Object.entries(fields)
  return {
    read: reader => {
      const value: Record<string, unknown> = {}
      for (const [name, codec] of entries) value[name] = codec.read(reader)
      return value as Value
    },
    write: (writer, value) => {
      for (const [name, codec] of entries) codec.write(writer, value[name])
    }
  }
}

/** No bytes at all: a call without arguments, or a reply that says only "done". */
export const nothing: Codec<void> = { read: () => undefined, write: () => {} }

/** A value that carries its own type, as libvirt's typed parameters do. */
export type TypedValue =
  | { readonly type: 'int' | 'uint' | 'double'; readonly value: number }
  | { readonly type: 'hyper' | 'uhyper'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }

/** Numbers of VIR_TYPED_PARAM_INT and following, in libvirt-common.h; zero is none of them. */
const typedValueTypes = ['int', 'uint', 'hyper', 'uhyper', 'double', 'boolean', 'string'] as const

/** The union behind libvirt's typed parameters. */
export const typedValue: Codec<TypedValue> = {
  read: reader => {
    const number = reader.int()
    const type = typedValueTypes[number - 1]
    switch (type) {
      case 'int':
      case 'uint':
      case 'double':
        return { type, value: reader[type]() }
      case 'hyper':
      case 'uhyper':
        return { type, value: reader[type]() }
      case 'boolean':
        return { type, value: reader.boolean() }
      case 'string':
        return { type, value: string.read(reader) }
      case undefined:
        throw garbled(`${number} is no type of a parameter`)
      default:
        throw type satisfies never
    }
  },
  write: (writer, typed) => {
    writer.int(typedValueTypes.indexOf(typed.type) + 1)
    switch (typed.type) {
      case 'int':
      case 'uint':
      case 'double':
        return writer[typed.type](typed.value)
      case 'hyper':
        return writer.hyper(typed.value)
      case 'uhyper':
        return writer.uhyper(typed.value)
      case 'boolean':
        return writer.int(typed.value ? 1 : 0)
      case 'string':
        return string.write(writer, typed.value)
      default:
        throw typed satisfies never
    }
  }
}

/** Reads one value that must take up all the bytes. */
export function decode<Value>(codec: Codec<Value>, bytes: Buffer): Value {
  const reader = new XdrReader(bytes)
  const value = codec.read(reader)
  reader.end()
  return value
}

/** Writes one value into new bytes. */
export function encode<Value>(codec: Codec<Value>, value: Value): Buffer {
  const writer = new XdrWriter()
  codec.write(writer, value)
  return writer.done()
}

function garbled(why: string, offset?: number): Fault {
  const where = offset === undefined ? '' : ` at byte ${offset}`
  return new Fault('protocol', `cannot read a message of libvirt${where}: ${why}`)
}
