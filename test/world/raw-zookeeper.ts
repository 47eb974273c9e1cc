/**
 * A ZooKeeper server of which only the bytes are there: it grants sessions, notes what it is sent,
 * and answers what the test says, when it says so.
 */
import net from 'node:net'

/** A request as it came. */
export type RawRequest = {
  readonly number: number
  readonly kind: number
  readonly frame: Buffer
  /** Which connection it came on, from 1. */
  readonly connection: number
}

/** What the server does with a greeting: grants a time, says that it expired, or says nothing. */
export type Consent = number | 'expired' | 'silent'

/** Kinds of requests, as numbers on the wire. */
export const kinds = { read: 4, sync: 9, ping: 11, multi: 14, auth: 100, watch: 106, close: -11 }

/** Writes a packet: its length, then these parts. */
export function packet(...parts: readonly (number | bigint | string | Buffer)[]): Buffer {
  const bytes = Buffer.concat(
    parts.map(part => {
      if (typeof part === 'number') {
        const int = Buffer.alloc(4)
        int.writeInt32BE(part)
        return int
      }
      if (typeof part === 'bigint') {
        const long = Buffer.alloc(8)
        long.writeBigInt64BE(part)
        return long
      }
      const given = typeof part === 'string' ? Buffer.from(part) : part
      const length = Buffer.alloc(4)
      length.writeInt32BE(given.length)
      return Buffer.concat([length, given])
    })
  )
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** The body of a reply with bytes and a stat, all numbers of which are this one. */
export const readReply = (number: number, bytes: string, stat = 1n): Buffer => {
  const small = Number(BigInt.asIntN(31, stat))
  return packet(
    ...[number, 7n, 0, bytes],
    ...[stat, stat, stat, stat, small, small, small, stat, small, small, stat]
  )
}

export class RawZooKeeper implements AsyncDisposable {
  consent: Consent = 12_000
  /** Session that it grants to who has none. */
  session = 0x1234n
  /** Gives the bytes to send, or undefined to say nothing. */
  answer: (request: RawRequest) => Buffer | undefined = ({ number }) => packet(number, 7n, 0)
  readonly requests: RawRequest[] = []
  /** Session that each greeting named, in order. */
  readonly greeted: bigint[] = []
  readonly #listener = net.createServer(socket => this.#serve(socket))
  readonly #sockets = new Set<net.Socket>()
  #connections = 0

  async listen(): Promise<this> {
    await new Promise<void>(resolve => this.#listener.listen(0, '127.0.0.1', resolve))
    return this
  }
  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as net.AddressInfo).port}`
  }
  /** Cuts all connections. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
  /** Sends bytes on every connection. */
  send(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes)
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.drop()
    await new Promise<void>(resolve => this.#listener.close(() => resolve()))
  }

  #serve(socket: net.Socket): void {
    const connection = ++this.#connections
    let rest = Buffer.alloc(0)
    let isGranted = false
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
        const frame = rest.subarray(0, 4 + rest.readInt32BE())
        rest = rest.subarray(frame.length)
        if (isGranted) this.#take(socket, frame, connection)
        else isGranted = this.#greet(socket, frame)
      }
    })
  }

  #greet(socket: net.Socket, frame: Buffer): boolean {
    // length 4 | protocol 4 | zxid 8 | time 4 | session 8 | …
    const named = frame.readBigInt64BE(20)
    this.greeted.push(named)
    if (this.consent === 'silent') return true
    const isExpired = this.consent === 'expired'
    const time = this.consent === 'expired' ? 0 : this.consent
    const session = isExpired ? 0n : named || this.session
    socket.write(packet(0, time, session, Buffer.alloc(16)))
    if (isExpired) socket.end()
    return true
  }

  #take(socket: net.Socket, frame: Buffer, connection: number): void {
    const [number, kind] = [frame.readInt32BE(4), frame.readInt32BE(8)]
    if (kind === kinds.auth) {
      socket.write(packet(number, 0n, 0))
      return
    }
    const request = { number, kind, frame, connection }
    this.requests.push(request)
    const answer = this.answer(request)
    if (answer !== undefined) socket.write(answer)
  }
}
