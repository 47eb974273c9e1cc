/**
 * One connection with one server: the only place with sockets to ZooKeeper.
 *
 *   open ──greeting──► granted ──requests, answered in order──► closed
 *
 * It ends once, whoever ends it, and then all that waits on it is told in the order of its sending.
 * Nothing is kept for a later connection: neither requests nor half a packet. It has no timers but
 * that of its opening, which runs until the server has granted a session, not only until TCP has
 * connected; who owns it asks for `oldestSentAt` and `heardAt` and ends it when those are too old.
 */
import net from 'node:net'
import tls from 'node:tls'
import { Fault } from '../fault.ts'
import type { Ms } from '../units.ts'
import { FrameCutter } from './frames.ts'
import {
  decodeEvent,
  decodeGreeting,
  decodeHead,
  encodeAuth,
  encodeClose,
  encodeGreeting,
  encodePing,
  type Greeting,
  numbers,
  writeNumber,
  type ZnodeEvent
} from './packets.ts'

/** What TLS needs, as PEM. */
export type Tls = {
  readonly ca: string
  readonly certificate?: string
  readonly key?: string
}

/** Who wants to know about the end of a request: its reply, or why there will be none. */
export type Answered = (answer: { readonly frame: Buffer } | { readonly because: Fault }) => void

type Waiting = { readonly number: number; readonly sentAt: Ms; readonly answered: Answered }

/** How a connection is made. */
export type Opening = {
  /** `host:port` */
  readonly server: string
  readonly greeting: Greeting
  readonly secret: string
  readonly tls: Tls | undefined
  /** For all of it: TCP, TLS and the server's consent. */
  readonly deadlineMs: Ms
  readonly now: () => Ms
  readonly heard: {
    readonly event: (event: ZnodeEvent) => void
    /** The transaction that the server had seen at some reply. */
    readonly seen: (zxid: bigint) => void
    readonly pong: (sentAt: Ms) => void
    /** It has ended; said before anybody who waits is told. */
    readonly gone: () => void
  }
}

/** What a server has granted. */
export type Grant = {
  readonly connection: Connection
  /** When the greeting was sent. */
  readonly sentAt: Ms
  readonly timeoutMs: Ms
  readonly session: Buffer
  readonly password: Buffer
}

/** Opens a connection. Faults: `unavailable`, and `closed` when the session has expired. */
export async function openConnection(opening: Opening, signal: AbortSignal): Promise<Grant> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Grant>()
  const sentAt = opening.now()
  const connection = new Connection(opening, { resolve, reject, sentAt })
  const give = () => connection.end('it is not wanted any more')
  const { deadlineMs, server } = opening
  const timer = setTimeout(() => connection.end(`no consent within ${deadlineMs} ms`), deadlineMs)
  signal.addEventListener('abort', give)
  try {
    return await promise
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'closed') throw cause
    throw new Fault('unavailable', `cannot connect to ${server}`, { cause })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', give)
  }
}

/** What is asked at most while replies are outstanding, by number. */
export const requestsMax = 4_096
/** What the kernel has not taken yet, at most; more: the server does not read. */
export const unsentBytesMax = 64 * 1024 * 1024

/** A connection. */
export class Connection {
  readonly server: string
  /** Resolves at its end, with why. */
  readonly closed: Promise<string>
  readonly #opening: Opening
  readonly #socket: net.Socket
  readonly #cutter = new FrameCutter()
  readonly #granting
  readonly #close: (because: string) => void
  #waiting: Waiting[] = []
  #pings: Ms[] = []
  #isGranted = false
  #hasEnded = false
  #number = 0
  #heardAt: Ms

  constructor(
    opening: Opening,
    granting: {
      readonly resolve: (grant: Grant) => void
      readonly reject: (because: Fault) => void
      readonly sentAt: Ms
    }
  ) {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.server = opening.server
    this.closed = promise
    this.#close = resolve
    this.#opening = opening
    this.#granting = granting
    this.#heardAt = granting.sentAt
    this.#socket = socketTo(opening)
    this.#socket.setNoDelay(true)
    this.#socket.on(opening.tls ? 'secureConnect' : 'connect', () => {
      const frames = [encodeGreeting(opening.greeting), encodeAuth(opening.secret)]
      this.#socket.write(Buffer.concat(frames))
    })
    this.#socket.on('data', chunk => this.#read(chunk))
    this.#socket.on('error', error => this.end(error.message))
    this.#socket.on('end', () => this.end('the server has closed it'))
    this.#socket.on('close', () => this.end('it was closed'))
  }

  /** When the oldest request that has no answer was sent; undefined: all are answered. */
  oldestSentAt(): Ms | undefined {
    const oldest = Math.min(this.#waiting[0]?.sentAt ?? Infinity, this.#pings[0] ?? Infinity)
    return oldest === Infinity ? undefined : oldest
  }
  /** When the server last said anything. */
  heardAt(): Ms {
    return this.#heardAt
  }
  /** Why nothing more can be sent at the moment; undefined: it can. */
  full(): string | undefined {
    if (this.#waiting.length >= requestsMax) return `${requestsMax} requests have no answer yet`
    const unsent = this.#socket.writableLength
    if (unsent >= unsentBytesMax) return `${unsent} bytes wait to be sent`
    return undefined
  }

  /** Sends a request, which the caller gives away; answered once, for certain. */
  send(frame: Buffer, answered: Answered): Ms {
    this.#number = (this.#number + 1) & 0x7fffffff
    writeNumber(frame, this.#number)
    const sentAt = this.#opening.now()
    this.#waiting.push({ number: this.#number, sentAt, answered })
    this.#socket.write(frame)
    return sentAt
  }

  ping(): void {
    this.#pings.push(this.#opening.now())
    this.#socket.write(encodePing())
  }

  /** Ends the session at the server, as far as it can be told. */
  async goodbye(waitMs: Ms): Promise<void> {
    const timer = setTimeout(() => this.end('the goodbye was not answered'), waitMs)
    await new Promise<void>(resolve => this.send(encodeClose(), () => resolve()))
    clearTimeout(timer)
    this.end('the session was closed')
  }

  /** Ends it. All that waits is told. */
  end(because: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#socket.destroy()
    const waiting = this.#waiting
    this.#waiting = []
    this.#pings = []
    const fault = new Fault('unavailable', `the connection to ${this.server} is gone: ${because}`)
    this.#opening.heard.gone()
    this.#granting.reject(fault)
    for (const { answered } of waiting) answered({ because: fault })
    this.#close(because)
  }

  #read(chunk: Buffer): void {
    if (this.#hasEnded) return
    this.#heardAt = this.#opening.now()
    try {
      for (const frame of this.#cutter.push(chunk)) {
        if (this.#hasEnded) return
        if (this.#isGranted) this.#dispatch(frame)
        else this.#grant(frame)
      }
    } catch (thrown) {
      if (!(thrown instanceof Fault) && !(thrown instanceof RangeError)) throw thrown
      this.end(`it sends what cannot be read: ${thrown.message}`)
    }
  }

  #grant(frame: Buffer): void {
    const { timeoutMs, session, password } = decodeGreeting(frame)
    if (timeoutMs <= 0) {
      this.#granting.reject(new Fault('closed', 'the session has expired'))
      this.end('the session has expired')
      return
    }
    this.#isGranted = true
    const { sentAt } = this.#granting
    this.#granting.resolve({ connection: this, sentAt, timeoutMs, session, password })
  }

  #dispatch(frame: Buffer): void {
    const { number, zxid, error } = decodeHead(frame)
    switch (number) {
      case numbers.ping: {
        const sentAt = this.#pings.shift()
        if (sentAt !== undefined) this.#opening.heard.pong(sentAt)
        return
      }
      case numbers.auth:
        if (error !== 0) this.end('the server does not accept the secret')
        return
      case numbers.event: {
        const event = decodeEvent(frame)
        if (event !== undefined) this.#opening.heard.event(event)
        return
      }
      default:
        this.#answer(frame, { number, zxid })
    }
  }

  #answer(frame: Buffer, { number, zxid }: { number: number; zxid: bigint }): void {
    const [first] = this.#waiting
    if (first === undefined || first.number !== number) {
      const expected = first === undefined ? 'none' : `${first.number}`
      this.end(`it answers request ${number} where ${expected} is next`)
      return
    }
    this.#waiting.shift()
    if (zxid > 0n) this.#opening.heard.seen(zxid)
    first.answered({ frame })
  }
}

function socketTo({ server, tls: secured }: Opening): net.Socket {
  const at = server.lastIndexOf(':')
  const host = server.slice(0, at).replace(/^\[|\]$/g, '')
  const port = Number(server.slice(at + 1))
  if (secured === undefined) return net.connect({ host, port })
  return tls.connect({
    host,
    port,
    ca: secured.ca,
    ...(secured.certificate === undefined ? {} : { cert: secured.certificate }),
    ...(secured.key === undefined ? {} : { key: secured.key }),
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    minVersion: 'TLSv1.2'
  })
}
