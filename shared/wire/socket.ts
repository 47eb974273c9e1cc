/**
 * ZeroMQ ROUTER sockets under CURVE. The only user of the ZeroMQ library.
 *
 * A socket either listens (it is the CURVE server, and the gate in zap.ts decides who may come in)
 * or dials (each line with the pinned key of the one who must answer). What the library's options
 * would otherwise decide in silence is set here, once; four of its traps shape this file:
 *
 * - `immediate` must stay off on a socket that dials: with it the routing id that we chose for a
 *   line is not used. So the library takes messages for a line that is not up yet; the owner must
 *   not send before `connected`, and must hang up after `disconnected` to drop what is left.
 * - A routing id that is still in use aborts the process. So every dial has to have a new one.
 * - After the listener refused our key the library does not dial again; the owner has to.
 * - One send and one receive may be under way at a time. With `sendTimeout` 0 a send is done when
 *   it returns; `messages` is to be read by one reader.
 */
import { setImmediate } from 'node:timers/promises'
import * as zmq from 'zeromq'
import { Fault } from '../fault.ts'
import type { CurveKeys } from './keys.ts'
import { messageBytesMax, notAdmitted } from './messages.ts'

/** Room for CURVE's own bytes and for messages that are just too long, which we count ourselves. */
const frameBytesSlack = 64 * 1024

/** What every socket is set to. Unit of times: ms; of high-water marks: messages for each line. */
export const socketSettings = {
  /**
   * Low, so that what waits stays in our own queues, where new replaces old; but not so low that
   * the library's two threads wake each other up at every other message.
   */
  sendHighWaterMark: 32,
  receiveHighWaterMark: 64,
  linger: 0,
  sendTimeout: 0,
  handshakeInterval: 5_000,
  connectTimeout: 5_000,
  reconnectInterval: 100,
  reconnectMaxInterval: 1_000,
  backlog: 4_096,
  immediate: false,
  /**
   * Connections whose other end vanished are ended by the kernel, once what was sent, or its own
   * question where nothing was, has had no acknowledgement for so long; or had no room for so long,
   * so it is not short: one end may be very busy. Who is alive is judged by messages, and so is
   * which line is worth to be dialled anew. The library's own pings cost 45 µs each, a fifth of a
   * core with 5,000 hosts.
   */
  tcpMaxRetransmitTimeout: 20_000,
  tcpKeepalive: 1,
  /** These three are in seconds and a count. */
  tcpKeepaliveIdle: 2,
  tcpKeepaliveInterval: 1,
  tcpKeepaliveCount: 2
} as const
const socketsMax = 65_536
/** After so many messages in a row the event loop gets its turn. */
const messagesPerTurn = 64

/** The name of a line as the library wants it. */
export type LineAddress = Buffer

/** What to send to a line by. */
export const addressOf = (line: string): LineAddress => Buffer.from(line, 'latin1')

/** What came in: the line that it came from, and its frames. */
export type Received = { readonly line: string; readonly frames: readonly Uint8Array[] }

/**
 * What happened to a connection; `endpoint` is the one that was dialled, or our own. `reached`:
 * somebody has taken the call, who is still to show that he has the right key.
 */
export type SocketEvent = {
  readonly type: 'reached' | 'connected' | 'disconnected' | 'refused'
  readonly endpoint: string
  readonly because: string
}

/** What became of a message that was handed over: on its way, no room for it, or nobody there. */
export type Sent = 'sent' | 'full' | 'gone'

/** A line to dial: who must answer there, and how we call it. */
export type Dial = {
  readonly endpoint: string
  readonly publicKey: string
  /** A name that this socket has never used before. */
  readonly line: string
}

/** One ROUTER socket. Its loops end after `close`. */
export class WireSocket {
  readonly #router: zmq.Router
  readonly #observer: zmq.Observer
  #endpoint = ''

  private constructor(router: zmq.Router) {
    this.#router = router
    this.#observer = router.events
  }

  /** Makes a socket that dials with these keys. */
  static dialling(keys: CurveKeys, options: { readonly bytesMax?: number } = {}): WireSocket {
    const router = makeRouter(options.bytesMax)
    router.curvePublicKey = keys.publicKey
    router.curveSecretKey = keys.secretKey
    return new WireSocket(router)
  }

  /**
   * Makes a socket that listens with these keys and lets in whom the gate of `domain` admits.
   * Fault `locked` when the address is in use, `network` when it cannot be had.
   */
  static async listening(
    endpoint: string,
    options: {
      readonly keys: CurveKeys
      readonly domain: string
      readonly bytesMax?: number
    }
  ): Promise<WireSocket> {
    const router = makeRouter(options.bytesMax)
    router.curveServer = true
    router.curveSecretKey = options.keys.secretKey
    router.zapDomain = options.domain
    router.zapEnforceDomain = true
    const socket = new WireSocket(router)
    try {
      await router.bind(endpoint)
      socket.#endpoint = router.lastEndpoint ?? endpoint
    } catch (thrown) {
      socket.close()
      throw cannotListen(endpoint, thrown)
    }
    return socket
  }

  /** Where it listens, or did, with the port that was chosen; empty when it dials. */
  get endpoint(): string {
    return this.#endpoint
  }

  /** Dials; the library tries again by itself until somebody answers there. */
  dial({ endpoint, publicKey, line }: Dial): void {
    withoutWarning(() => {
      this.#router.curveServerKey = publicKey
      this.#router.connect(endpoint, { routingId: line })
    })
  }

  /** Ends all lines to an endpoint at once and drops what was not sent on them. */
  hangUp(endpoint: string): void {
    try {
      this.#router.disconnect(endpoint)
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT' && !this.#router.closed) throw thrown
    }
  }

  /** Hands a message over without ever waiting. To be awaited before the next one. */
  async send(line: string, frames: readonly Uint8Array[]): Promise<Sent> {
    try {
      await this.post(addressOf(line), frames)
      return 'sent'
    } catch (thrown) {
      return this.unsent(thrown)
    }
  }

  /**
   * The same for those who say very much: they keep the address of each line, and when what is
   * given rejects, `unsent` tells what that means.
   */
  post(address: LineAddress, frames: readonly Uint8Array[]): Promise<void> {
    return this.#router.send([address, ...frames] as zmq.MessageLike[])
  }

  /** What has become of a message whose sending failed so; other failures are thrown again. */
  unsent(thrown: unknown): Sent {
    const code = codeOf(thrown)
    if (code === 'EAGAIN') return 'full'
    if (code === 'EHOSTUNREACH' || this.#router.closed) return 'gone'
    throw thrown
  }

  /** What comes in, until the socket is closed. */
  async *messages(): AsyncGenerator<Received, void, void> {
    let inThisTurn = 0
    for await (const [line, ...frames] of this.#router) {
      if (line !== undefined) yield { line: line.toString('latin1'), frames }
      if (++inThisTurn % messagesPerTurn === 0) await setImmediate()
    }
  }

  /**
   * Calls `take` with each message that comes in, until the socket is closed. For those to whom
   * very much is said: it costs a fraction of what `messages` does.
   */
  async deliver(take: (line: string, frames: readonly Uint8Array[]) => void): Promise<void> {
    const router = this.#router
    for (let inThisTurn = 1; !router.closed; inThisTurn++) {
      let frames: Buffer[]
      try {
        frames = await router.receive()
      } catch (thrown) {
        if (router.closed && codeOf(thrown) === 'EAGAIN') return
        throw thrown
      }
      const line = frames.shift()
      if (line !== undefined) take(line.toString('latin1'), frames)
      if (inThisTurn % messagesPerTurn === 0) await setImmediate()
    }
  }

  /** What happens to connections. Ends once the socket has let go of its address. */
  async *events(): AsyncGenerator<SocketEvent, void, void> {
    for await (const event of this.#observer) {
      // A receive that is under way when the observer closes yields nothing at all.
      if ((event as zmq.Event | undefined) === undefined || event.type === 'end') return
      const told = tell(event)
      if (told !== undefined) yield told
    }
  }

  close(): void {
    this.#router.close()
  }
}

function makeRouter(bytesMax: number = messageBytesMax): zmq.Router {
  const maxMessageSize = bytesMax + frameBytesSlack
  const router = new zmq.Router({ context: context(), mandatory: true, maxMessageSize })
  return Object.assign(router, socketSettings)
}

/** A question of the library: may this key come in? */
export type GateRequest = {
  readonly domain: string
  readonly address: string
  readonly mechanism: string
  readonly key: Uint8Array
}

/** The library's socket that asks who may come in; see zap.ts. */
export class GateSocket {
  readonly #reply: zmq.Reply
  readonly #observer: zmq.Observer

  private constructor() {
    this.#reply = new zmq.Reply({ context: context(), linger: 0 })
    this.#observer = this.#reply.events
  }

  static async open(): Promise<GateSocket> {
    const socket = new GateSocket()
    await socket.#reply.bind('inproc://zeromq.zap.01')
    return socket
  }

  /** Answers each question by what `judge` says of it, until the socket is closed. */
  async answer(judge: (request: GateRequest) => boolean): Promise<void> {
    for await (const [version, number, domain, address, , mechanism, key] of this.#reply) {
      const admitted = judge({
        domain: String(domain),
        address: String(address),
        mechanism: String(mechanism),
        key: key ?? new Uint8Array()
      })
      const [code, text] = admitted ? ['200', 'OK'] : ['400', 'not admitted']
      await this.#reply.send([version ?? '1.0', number ?? '', code, text, '', ''] as string[])
    }
  }

  /** Returns once another one can be opened. */
  async close(): Promise<void> {
    this.#reply.close()
    for await (const event of this.#observer) {
      if ((event as zmq.Event | undefined) === undefined || event.type === 'end') return
    }
  }
}

let ownContext: zmq.Context | undefined

/** The library's own context is shared by all threads of the process, and with it their gates. */
function context(): zmq.Context {
  ownContext ??= new zmq.Context({ blocky: false, ioThreads: 1, maxSockets: socketsMax })
  return ownContext
}

/**
 * The library warns, at each dial but the first, that an option takes effect only at the next: just
 * what we want. It does so by `process.emitWarning`, at once; there is no way to tell it not to.
 */
function withoutWarning(dial: () => void): void {
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  try {
    dial()
  } finally {
    process.emitWarning = emitWarning
  }
}

function tell(event: zmq.Event): SocketEvent | undefined {
  switch (event.type) {
    case 'connect':
      return { type: 'reached', endpoint: event.address, because: 'the call was taken' }
    case 'handshake':
      return { type: 'connected', endpoint: event.address, because: 'the handshake succeeded' }
    case 'disconnect':
      return { type: 'disconnected', endpoint: event.address, because: 'the connection was lost' }
    case 'handshake:error:auth':
      return refused(event.address, notAdmitted)
    case 'handshake:error:protocol':
    case 'handshake:error:other':
      return refused(event.address, `the handshake broke off, ${handshakeHint}`)
    default:
      return undefined
  }
}

/** A server that cannot decrypt what was meant for another key just closes the connection. */
const handshakeHint = 'as it does when another key answers there than the one that is known'

const refused = (endpoint: string, because: string): SocketEvent => ({
  type: 'refused',
  endpoint,
  because
})

function cannotListen(endpoint: string, thrown: unknown): Fault {
  const message = `cannot listen on ${endpoint}`
  if (codeOf(thrown) !== 'EADDRINUSE') return new Fault('network', message, { cause: thrown })
  return new Fault('locked', `${message}: another program listens there`, { cause: thrown })
}

const codeOf = (thrown: unknown): string | undefined =>
  (thrown as { readonly code?: string } | undefined)?.code
