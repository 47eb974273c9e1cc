/**
 * An HTTP server that anyone on the segment may connect to: heads, connections and those of one
 * address are bounded, one that stands still is closed, and what is no request is not answered.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'

/** What is allowed. */
export type ServerBounds = {
  readonly connectionsMax: number
  readonly connectionsOfOneMax: number
  readonly headBytesMax: number
  readonly headersMax: number
  /** From the beginning of a connection until a head, and until its body, is here. */
  readonly headMsMax: Ms
  readonly requestMsMax: Ms
  /** A connection on which nothing moves is closed. */
  readonly stillMsMax: Ms
  /** One that asks nothing more. */
  readonly idleMsMax: Ms
}

/** Answers a request, also where that fails; the signal aborts once nobody waits for it. */
export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal
) => Promise<void>

/** Where it listens; `what` it does stands in the fault that says why it cannot. */
export type Listening = {
  readonly address: string
  readonly port: number
  readonly backlog: number
  readonly what: string
}

/** Listens from `listen` until it is disposed of. */
export class BoundedServer implements AsyncDisposable {
  readonly #connectionsOfOneMax: number
  readonly #answer: Answer
  readonly #log: Log
  readonly #server: Server
  readonly #connections = new Map<string, number>()
  readonly #serving = new Set<Promise<void>>()
  #port = 0

  constructor(
    bounds: ServerBounds,
    { answer, log }: { readonly answer: Answer; readonly log: Log }
  ) {
    this.#connectionsOfOneMax = bounds.connectionsOfOneMax
    this.#answer = answer
    this.#log = log
    this.#server = createServer({
      maxHeaderSize: bounds.headBytesMax,
      headersTimeout: bounds.headMsMax,
      requestTimeout: bounds.requestMsMax,
      keepAliveTimeout: bounds.idleMsMax,
      connectionsCheckingInterval: Math.min(2_000, bounds.headMsMax),
      requireHostHeader: false
    })
    this.#server.maxConnections = bounds.connectionsMax
    this.#server.maxHeadersCount = bounds.headersMax
    this.#server.maxRequestsPerSocket = 1_000
    this.#server.timeout = bounds.stillMsMax
    this.#server.on('connection', socket => this.#admit(socket))
    this.#server.on('clientError', (_, socket) => socket.destroy())
    this.#server.on('request', (request, response) => this.#take(request, response))
    for (const event of ['upgrade', 'connect'] as const) {
      this.#server.on(event, (_, socket) => socket.destroy())
    }
  }

  /** Listens. Fault `network`: it cannot there. */
  async listen({ address, port, backlog, what }: Listening): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host: address, port, backlog }, resolve)
    try {
      await promise
    } catch (cause) {
      throw new Fault('network', `cannot ${what} at ${address}:${port}`, { cause })
    }
    this.#server.on('error', thrown => this.#log.warn(what, { because: sentence(thrown) }))
    const bound = this.#server.address()
    this.#port = typeof bound === 'object' && bound !== null ? bound.port : port
  }

  /** Port that it has. */
  get port(): number {
    return this.#port
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    const count = (this.#connections.get(address) ?? 0) + 1
    if (count > this.#connectionsOfOneMax) {
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
    const serving = this.#answer(request, response, over.signal).finally(() =>
      this.#serving.delete(serving)
    )
    this.#serving.add(serving)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
    await Promise.all(this.#serving)
  }
}
