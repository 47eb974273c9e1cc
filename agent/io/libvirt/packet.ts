/**
 * libvirt's packets: a length that counts itself, six words of header, a body.
 *
 *     0        4         8         12          16     20       24       28
 *     | length | program | version | procedure | type | serial | status | body …
 *
 * A reply carries its call's serial. Packets of a stream carry the procedure and the serial of the
 * call that opened it. Facts: virnetprotocol and virkeepaliveprotocol of libvirt 9.0.
 */
import { Fault } from '#shared/fault.ts'
import { remoteError } from './procedures.ts'
import { decode, type ValueOf } from './xdr.ts'

/** The longest packet that either side may send, in bytes (VIR_NET_MESSAGE_MAX and the length). */
export const packetBytesMax = 32 * 2 ** 20 + 4

/** The longest body of a stream packet that every libvirtd takes, in bytes. */
export const streamBodyBytesMax = 262_120

const headerBytes = 28

/** What a packet is. Those that carry file descriptors are left out: we never ask for them. */
export const packetType = { call: 0, reply: 1, message: 2, stream: 3, hole: 6 } as const

/** How a call went; within a stream, `continue` is data and `ok` its orderly end. */
export const packetStatus = { ok: 0, error: 1, continue: 2 } as const

/** Keepalive is a program of its own, whose messages have no body and need no serial. */
export const keepalive = { program: 0x6b656570, version: 1, ping: 1, pong: 2 } as const

/** The six words before a body. */
export type Header = {
  readonly program: number
  readonly version: number
  readonly procedure: number
  readonly type: number
  readonly serial: number
  readonly status: number
}

/** A header and its body. */
export type Packet = Header & { readonly body: Buffer }

/** libvirt's own account of why it refused. */
export type RemoteError = ValueOf<typeof remoteError>

/** Puts a packet into bytes. */
export function encodePacket(header: Header, body: Uint8Array = new Uint8Array(0)): Buffer {
  const length = headerBytes + body.length
  if (length > packetBytesMax) {
    throw new Fault(
      'invalid',
      `cannot send a packet of ${length} bytes to libvirt: it takes ${packetBytesMax}`
    )
  }
  const bytes = Buffer.allocUnsafe(length)
  bytes.writeUInt32BE(length, 0)
  bytes.writeUInt32BE(header.program, 4)
  bytes.writeUInt32BE(header.version, 8)
  bytes.writeInt32BE(header.procedure, 12)
  bytes.writeInt32BE(header.type, 16)
  bytes.writeUInt32BE(header.serial, 20)
  bytes.writeInt32BE(header.status, 24)
  bytes.set(body, headerBytes)
  return bytes
}

/** Cuts what a socket gives into packets, however the socket has cut it. */
export class PacketReader {
  #chunks: Buffer[] = []
  #size = 0

  /** Takes the next bytes and gives the packets that are complete with them. */
  push(chunk: Buffer): Iterable<Packet> {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    return this.#packets()
  }

  *#packets(): Generator<Packet> {
    for (;;) {
      const length = this.#nextLength()
      if (length === undefined || this.#size < length) return
      yield decodePacket(this.#cut(length))
    }
  }

  #nextLength(): number | undefined {
    if (this.#size < 4) return undefined
    if (this.#chunks[0]!.length < 4) this.#join()
    const length = this.#chunks[0]!.readUInt32BE(0)
    if (length < headerBytes || length > packetBytesMax) {
      throw new Fault(
        'protocol',
        `cannot read a packet of libvirt: it claims ${length} bytes,` +
          ` ${headerBytes} to ${packetBytesMax} are possible`
      )
    }
    return length
  }

  #cut(length: number): Buffer {
    if (this.#chunks[0]!.length < length) this.#join()
    const first = this.#chunks[0]!
    if (first.length === length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(length)
    this.#size -= length
    return first.subarray(0, length)
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks, this.#size)]
  }
}

/** Reads one whole packet; the body shares its memory. */
function decodePacket(bytes: Buffer): Packet {
  if (bytes.length < headerBytes || bytes.readUInt32BE(0) !== bytes.length) {
    throw new Fault('protocol', `cannot read a packet of libvirt: ${bytes.length} bytes are not it`)
  }
  return {
    program: bytes.readUInt32BE(4),
    version: bytes.readUInt32BE(8),
    procedure: bytes.readInt32BE(12),
    type: bytes.readInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readInt32BE(24),
    body: bytes.subarray(headerBytes)
  }
}

/** Reads the body of a packet whose status is `error`. */
export const decodeError = (body: Buffer): RemoteError => decode(remoteError, body)
