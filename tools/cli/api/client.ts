/**
 * Speaks HTTP with the API, over a socket or TCP. Every wait has a deadline. What may safely be
 * said twice (reading, and creating under an idempotency key) is said once more when the
 * connection was lost under it.
 */
import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault, isFault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import { type Address, writeAddress } from './address.ts'
import { faultOfAnswer, faultOfConnection, type Peer } from './problem.ts'
import { noTrace, type Trace } from './trace.ts'

/** Time for a connection to come about. */
const connectMsMax = 5_000
/** Time for a whole answer, where the request does not say otherwise. */
const answerMsMax = 15_000
/** An upload in which nothing moves for so long, in either direction, is given up. */
const stallMsMax = 300_000
/** A larger answer is refused: it cannot be from our API. Unit: bytes. */
const answerBytesMax = 256 * 1024 * 1024

/** One request. */
export type Ask = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Starting with a slash. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, of a length that is known. */
  readonly content?: { readonly stream: Readable; readonly bytes: number }
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** What this is for, such as `create instance/web`; messages begin with it. */
  readonly doing: string
}

/** A whole answer, whatever its status. */
export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

/** Says the path and the query of a request as one text. */
export function pathOfAsk(ask: Pick<Ask, 'path' | 'query'>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(ask.query ?? {})) {
    if (value !== undefined) query.set(name, value)
  }
  const text = query.toString()
  return text === '' ? ask.path : `${ask.path}${ask.path.includes('?') ? '&' : '?'}${text}`
}

/** The way to one API, with connections that are kept for the next request. */
export class Api implements AsyncDisposable {
  readonly address: Address
  readonly #agent: http.Agent
  readonly #trace: Trace
  readonly #peer: Peer

  constructor(address: Address, options: { readonly trace?: Trace; readonly peer?: Peer } = {}) {
    this.address = address
    this.#peer = options.peer ?? 'controller'
    this.#trace = options.trace ?? noTrace
    const secure = address.via === 'url' && address.url.protocol === 'https:'
    const settings = { keepAlive: true, maxSockets: 8, maxFreeSockets: 8 }
    this.#agent = secure ? new https.Agent(settings) : new http.Agent(settings)
  }

  /** Headers that prove who we are. */
  get credentials(): Readonly<Record<string, string>> {
    const token = this.address.via === 'url' ? this.address.token : undefined
    return token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** Asks and reads the whole answer; throws the Fault that a status of 400 or more stands for. */
  async ask(ask: Ask): Promise<Answer> {
    const answer = await this.askAnyway(ask)
    if (answer.status >= 400) throw faultOfAnswer(answer.status, answer.bytes, ask.doing)
    return answer
  }

  /** The same, but any status is an answer. */
  async askAnyway(ask: Ask): Promise<Answer> {
    try {
      return await this.#askOnce(ask)
    } catch (error) {
      const repeatable = ask.method === 'GET' || ask.headers?.['idempotency-key'] !== undefined
      if (!repeatable || ask.content || !isFault(error, 'closed') || ask.signal?.aborted)
        throw error
      return await this.#askOnce(ask)
    }
  }

  async #askOnce(ask: Ask): Promise<Answer> {
    const deadlineMs = ask.deadlineMs ?? answerMsMax
    const deadline = AbortSignal.timeout(deadlineMs)
    const signal = ask.signal ? AbortSignal.any([ask.signal, deadline]) : deadline
    try {
      const response = await this.#send(ask, signal)
      const bytes = await readAll(response)
      const status = response.statusCode!
      const line = `${status} ${response.statusMessage ?? ''}`
      this.#trace.received(line, response.headers, bytes.toString('utf8'))
      return { status, headers: response.headers, bytes }
    } catch (error) {
      throw this.#faultOf(error, ask, { deadline, deadlineMs })
    }
  }

  /**
   * Asks for an answer without end and gives it as soon as it has begun; throws the Fault of a
   * refusal. The signal ends it.
   */
  async open(ask: Ask): Promise<http.IncomingMessage> {
    const begun = new AbortController()
    const timer = setTimeout(() => begun.abort(), answerMsMax)
    const signal = ask.signal ? AbortSignal.any([ask.signal, begun.signal]) : begun.signal
    try {
      const response = await this.#send(ask, signal)
      this.#trace.received(`${response.statusCode} …`, response.headers, '')
      if (response.statusCode! < 400) return response
      throw faultOfAnswer(response.statusCode!, await readAll(response), ask.doing)
    } catch (error) {
      throw this.#faultOf(error, ask, { deadline: begun.signal, deadlineMs: answerMsMax })
    } finally {
      clearTimeout(timer)
    }
  }

  #faultOf(
    error: unknown,
    ask: Ask,
    limit: { readonly deadline: AbortSignal; readonly deadlineMs: number }
  ): Fault {
    if (ask.signal?.aborted) {
      return isFault(ask.signal.reason)
        ? ask.signal.reason
        : new Fault('aborted', `cannot ${ask.doing}: interrupted`)
    }
    if (!limit.deadline.aborted)
      return faultOfConnection(error, { address: this.address, peer: this.#peer, doing: ask.doing })
    const where = writeAddress(this.address)
    return new Fault(
      'deadline',
      `cannot ${ask.doing}: no answer from ${where} within ${formatMs(limit.deadlineMs)}`,
      { next: ['remuda doctor'] }
    )
  }

  #send(ask: Ask, signal: AbortSignal): Promise<http.IncomingMessage> {
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body)
    const headers: OutgoingHttpHeaders = {
      accept: 'application/json, application/problem+json',
      ...lengthOf(ask, body),
      ...this.credentials,
      ...ask.headers
    }
    const path = pathOfAsk(ask)
    this.#trace.sent(`${ask.method} ${path} (${writeAddress(this.address)})`, headers, body)
    const { address } = this
    const options = { method: ask.method, headers, agent: this.#agent, signal }
    const request =
      address.via === 'socket'
        ? http.request({ ...options, socketPath: address.path, path })
        : (address.url.protocol === 'https:' ? https : http).request(address.url, {
            ...options,
            path: address.url.pathname.replace(/\/$/, '') + path
          })
    return new Promise((resolve, reject) => {
      limitConnecting(request)
      request.once('response', resolve)
      request.once('error', reject)
      if (!ask.content) request.end(body)
      else {
        request.setTimeout(stallMsMax, () => request.destroy(stalled(ask.doing)))
        pipeline(ask.content.stream, request, { signal }).catch(reject)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
  }
}

function lengthOf(ask: Ask, body: string | undefined): OutgoingHttpHeaders {
  if (ask.content) {
    return {
      'content-type': 'application/octet-stream',
      'content-length': String(ask.content.bytes)
    }
  }
  if (body === undefined) return {}
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }
}

/** Gives up a connection that does not come about; one that is reused is there already. */
function limitConnecting(request: http.ClientRequest): void {
  request.once('socket', socket => {
    if (!socket.connecting) return
    const timer = setTimeout(() => {
      request.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' }))
    }, connectMsMax)
    socket.once('connect', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
  })
}

const stalled = (doing: string): Fault =>
  new Fault('deadline', `cannot ${doing}: nothing has moved for ${formatMs(stallMsMax)}`, {
    next: ['give the same command again']
  })

async function readAll(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > answerBytesMax) {
      throw new Fault('protocol', `cannot read the answer: it exceeds ${answerBytesMax} bytes`)
    }
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
