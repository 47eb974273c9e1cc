/**
 * A host serves the root of its own image to others that boot: one file, by tickets of bootd's, at
 * the address by which it booted. Its instances come first, so that little is sent at once, none of
 * it as fast as it goes, and who comes while that little is busy is told at once to go elsewhere.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { refusePeer } from '../../core/peer-request.ts'
import { answerFile, say } from './answer-file.ts'
import { BoundedServer } from './bounded-server.ts'
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
  requestMsMax: 10_000,
  /** A connection on which nothing moves is closed. Unit: ms. */
  stillMsMax: 20_000,
  idleMsMax: 5_000,
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
  readonly #server: BoundedServer
  #running = 0

  private constructor(options: PeerHttpOptions) {
    this.#options = options
    const bounds = { ...peerBounds, ...options.bounds }
    this.#bounds = bounds
    this.#server = new BoundedServer(bounds, {
      answer: (request, response, signal) =>
        this.#answer(request, response, signal).catch(thrown => this.#fail(response, thrown)),
      log: options.log
    })
  }

  /** Listens. Fault `network`: it cannot there. */
  static async open(options: PeerHttpOptions): Promise<PeerHttp> {
    const { address, port } = options
    const http = new PeerHttp(options)
    await http.#server.listen({ address, port, backlog: 64, what: 'serve the image' })
    return http
  }

  /** Port that it has. */
  get port(): number {
    return this.#server.port
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal
  ): Promise<void> {
    const { version, key, file, clock, log } = this.#options
    const { method = '', url: path = '' } = request
    // One request on each connection: who is done makes room for others.
    response.setHeader('connection', 'close')
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
    await this.#server[Symbol.asyncDispose]()
  }
}
