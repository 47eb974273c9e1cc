/**
 * A host serves the root of its own image to others that boot: one file, by tickets of bootd's, at
 * the address by which it booted. Its instances come first, so that little is sent at once, none of
 * it as fast as it goes, and who comes while that little is busy is told at once to go elsewhere.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { refusePeer } from '../../core/peer-request.ts'
import { answerFile, say } from './answer-file.ts'
import type { StoredFile } from './images.ts'

/** What is allowed. */
export const peerBounds = {
  transfersMax: 4,
  /** Of each transfer. Unit: bytes per second. */
  bytesPerS: 16 * 1024 * 1024,
  connectionsMax: 64,
  connectionsOfOneMax: 4,
  headBytesMax: 4_096,
  headersMax: 32,
  /** From the beginning of a connection until a head is here. Unit: ms. */
  headMsMax: 10_000,
  /** A connection on which nothing moves is closed. Unit: ms. */
  stillMsMax: 20_000,
  /** Who finds it busy is asked to come again then. Unit: s. */
  retryS: 10
} as const

/** What it works with. */
export type PeerHttpOptions = {
  readonly address: string
  readonly port: number
  readonly version: string
  /** What tickets are known by. */
  readonly key: string
  /** The root of that version. */
  readonly file: StoredFile
  readonly bounds?: { readonly [Name in keyof typeof peerBounds]?: number }
  readonly clock: Clock
  readonly log: Log
}

/** Serves one file until it is disposed of. */
export class PeerHttp implements AsyncDisposable {
  readonly #options: PeerHttpOptions
  readonly #bounds: { readonly [Name in keyof typeof peerBounds]: number }
  readonly #server: Server
  readonly #connections = new Map<string, number>()
  readonly #serving = new Set<Promise<void>>()
  #running = 0

  private constructor(options: PeerHttpOptions) {
    this.#options = options
    const bounds = { ...peerBounds, ...options.bounds }
    this.#bounds = bounds
    this.#server = createServer({
      maxHeaderSize: bounds.headBytesMax,
      headersTimeout: bounds.headMsMax,
      requestTimeout: bounds.headMsMax,
      connectionsCheckingInterval: Math.min(2_000, bounds.headMsMax),
      requireHostHeader: false
    })
    this.#server.maxConnections = bounds.connectionsMax
    this.#server.maxHeadersCount = bounds.headersMax
    this.#server.timeout = bounds.stillMsMax
    this.#server.on('connection', socket => this.#admit(socket))
    this.#server.on('clientError', (_, socket) => socket.destroy())
    this.#server.on('request', (request, response) => this.#take(request, response))
    for (const event of ['upgrade', 'connect'] as const) {
      this.#server.on(event, (_, socket) => socket.destroy())
    }
  }

  /** Listens. Fault `network`: it cannot there. */
  static async open(options: PeerHttpOptions): Promise<PeerHttp> {
    const { address, port, log } = options
    const http = new PeerHttp(options)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    http.#server.once('error', reject)
    http.#server.listen({ host: address, port, backlog: 64 }, resolve)
    try {
      await promise
    } catch (cause) {
      throw new Fault('network', `cannot serve the image at ${address}:${port}`, { cause })
    }
    http.#server.on('error', thrown => log.warn('image server', { because: sentence(thrown) }))
    return http
  }

  /** Port that it has. */
  get port(): number {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : this.#options.port
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    const count = (this.#connections.get(address) ?? 0) + 1
    if (count > this.#bounds.connectionsOfOneMax) {
      socket.destroy()
      return
    }
    this.#connections.set(address, count)
    socket.once('close', () => {
      const rest = (this.#connections.get(address) ?? 1) - 1
      if (rest === 0) this.#connections.delete(address)
      else this.#connections.set(address, rest)
    })
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const over = new AbortController()
    response.once('close', () => over.abort())
    // One request on each connection: who is done makes room for others.
    response.setHeader('connection', 'close')
    const serving = this.#answer(request, response, over.signal)
      .catch(thrown => this.#fail(response, thrown))
      .finally(() => this.#serving.delete(serving))
    this.#serving.add(serving)
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal
  ): Promise<void> {
    const { version, key, file, clock, log } = this.#options
    const { method = '', url: path = '' } = request
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const nowS = clock.wall() / 1_000
    const refused = refusePeer({ method, path, address }, { version, key, nowS })
    if (refused) return say(response, refused.status, refused.because)
    const { bytesPerS } = this.#bounds
    const take = async () => this.#place()
    await answerFile(request, response, file, { take, bytesPerS, clock, signal })
    if (response.statusCode < 300 && method === 'GET') log.info('has sent its image', { address })
  }

  #place(): () => void {
    const { transfersMax } = this.#bounds
    if (this.#running >= transfersMax) {
      throw new Fault('capacity', `cannot send the image: ${transfersMax} fetch it already`)
    }
    this.#running += 1
    return () => {
      this.#running -= 1
    }
  }

  #fail(response: ServerResponse, thrown: unknown): void {
    // Who has gone is no fault of ours.
    if (response.destroyed) return
    const because = sentence(thrown)
    if (!isFault(thrown)) this.#options.log.warn('image request', { because })
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (!isFault(thrown, 'capacity')) {
      say(response, 500, 'it could not be done')
      return
    }
    response.setHeader('retry-after', String(this.#bounds.retryS))
    say(response, 503, 'too many fetch at once: ask another')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
    await Promise.all(this.#serving)
  }
}
